"""A stub of MinIO that lists as many versions as asked: python storage_stub.py FOLDER SIZE.

It answers GET on a bucket as MinIO does, pages of 1000 with each version's settings, and HEAD on an
object; over TLS, with a certificate below FOLDER. Its address is the first line that it prints.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))
from sitiv_infra.lab.pki import Authority

PAGE, FOLDERS = 1000, 256
BEFORE = "<Version><Key>"
BEHIND = (
    "</Key><LastModified>2026-11-20T01:02:03.456Z</LastModified>"
    "<ETag>&#34;415290769594460e2e485922904f345d&#34;</ETag><Size>16777216</Size><Owner><ID>"
    "02d6176db174dc93cb1b899f7c6078f08654445fe8cf1b6ce98d8855f66bdbf4</ID><DisplayName>minio"
    "</DisplayName></Owner><StorageClass>STANDARD</StorageClass><UserMetadata>"
    "<X-Amz-Server-Side-Encryption>AES256</X-Amz-Server-Side-Encryption>"
    "<x-amz-object-lock-retain-until-date>2026-12-20T01:02:03.450Z"
    "</x-amz-object-lock-retain-until-date><x-amz-object-lock-mode>COMPLIANCE"
    "</x-amz-object-lock-mode><content-type>binary/octet-stream</content-type></UserMetadata>"
    "<Internal><K>12</K><M>4</M></Internal><IsLatest>true</IsLatest>"
    "<VersionId>ec863d2d-910a-484b-adc6-3f300ded4cc6</VersionId></Version>"
)
HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Length: 16777216\r\n"
    "Last-Modified: Fri, 20 Nov 2026 01:02:03 GMT\r\nx-amz-server-side-encryption: AES256\r\n"
    "x-amz-object-lock-mode: COMPLIANCE\r\n"
    "x-amz-object-lock-retain-until-date: 2026-12-20T01:02:03.450Z\r\n\r\n"
)


class Bucket:
    """So many versions, in folders of about the same size."""

    def __init__(self, size: int) -> None:
        self.size = size

    def page(self, prefix: str, marker: str, *, folders: bool) -> str:
        """Give what is listed below a prefix, behind a key."""
        depth = prefix.count("/")
        if folders and depth < len(("data", "xx")):
            names = ["data/"] if depth == 0 else [f"data/{n:02x}/" for n in range(FOLDERS)]
            inner = "".join(
                f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>" for name in names
            )
            return f"<IsTruncated>false</IsTruncated>{inner}"
        folder = int(prefix[5:7], 16) if depth == len(("data", "xx")) else 0
        start = self._first(folder)
        end = self._first(folder + 1) if depth == len(("data", "xx")) else self.size
        if marker:
            start = int(marker.rpartition("/")[2]) + 1
        last = min(start + PAGE, end)
        keys = [f"data/{n * FOLDERS // self.size:02x}/{n:012d}" for n in range(start, last)]
        listed = f"{BEFORE}{(BEHIND + BEFORE).join(keys)}{BEHIND}" if keys else ""
        more = f"<IsTruncated>{'true' if last < end else 'false'}</IsTruncated>"
        if last < end:
            more += f"<NextKeyMarker>{keys[-1]}</NextKeyMarker>"
            more += "<NextVersionIdMarker>7</NextVersionIdMarker>"
        return more + listed

    def _first(self, folder: int) -> int:
        return -(-folder * self.size // FOLDERS)


async def serve(bucket: Bucket, certificate: tuple[Path, Path]) -> None:
    """Answer until nobody is left to ask."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(*certificate)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                writer.write(_answer(bucket, line.decode()))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=trust)
    print(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def _answer(bucket: Bucket, line: str) -> bytes:
    method, target, _ = line.split(" ")
    if method == "HEAD":
        return HEAD.encode()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
    inner = bucket.page(
        asked.get("prefix", ""), asked.get("key-marker", ""), folders="delimiter" in asked
    )
    name = "ListVersionsResult"
    space = "http://s3.amazonaws.com/doc/2006-03-01/"
    body = f'<?xml version="1.0"?><{name} xmlns="{space}"><Name>b</Name>{inner}</{name}>'.encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


if __name__ == "__main__":
    authority = Authority(Path(sys.argv[1]))
    asyncio.run(serve(Bucket(int(sys.argv[2])), authority.issue("127.0.0.1")))
