"""Options of a firewall policy of FortiOS (CLI reference 6.4 to 7.6) that leave a doubt.

``NEUTRAL`` ones say nothing of which first packets a policy matches, and ``USUAL`` ones nothing as
long as they have the value that ``show full-configuration`` prints unless they were set. Every
other option makes its policy undecided.
"""

from __future__ import annotations

from collections.abc import Iterator

from sitiv_infra.policy.fortios_blocks import Entry
from sitiv_infra.policy.fortios_objects import SILENT
from sitiv_infra.policy.objects import fingerprint

READ = frozenset({
    "srcintf", "dstintf", "srcaddr", "dstaddr", "srcaddr6", "dstaddr6", "srcaddr-negate",
    "dstaddr-negate", "srcaddr6-negate", "dstaddr6-negate", "service", "service-negate",
    "action", "status", "schedule", "match-vip",
})  # fmt: skip
NEUTRAL = frozenset({
    "name", "uuid", "comments", "label", "global-label", "logtraffic", "logtraffic-start",
    "log-http-transaction", "custom-log-fields", "capture-packet", "send-deny-packet",
    "nat", "ippool", "poolname", "poolname6", "fixedport", "permit-any-host", "natip",
    "permit-stun-host", "port-preserve", "port-random", "cgn-eif", "cgn-eim", "cgn-log-server-grp",
    "cgn-resource-quota", "cgn-session-quota", "pcp-inbound", "pcp-outbound", "pcp-poolname",
    "inspection-mode", "utm-status", "profile-type", "profile-group", "profile-protocol-options",
    "ssl-ssh-profile", "av-profile", "ips-sensor", "ips-voip-filter", "webfilter-profile",
    "dnsfilter-profile", "emailfilter-profile", "spamfilter-profile", "dlp-sensor", "dlp-profile",
    "file-filter-profile", "voip-profile", "sctp-filter-profile", "icap-profile", "waf-profile",
    "ssh-filter-profile", "cifs-profile", "videofilter-profile", "casb-profile",
    "virtual-patch-profile", "diameter-filter-profile", "telemetry-profile", "isolator-profile",
    "traffic-shaper", "traffic-shaper-reverse", "per-ip-shaper", "diffserv-copy",
    "diffserv-forward", "diffserv-reverse", "diffservcode-forward", "diffservcode-rev",
    "vlan-cos-fwd", "vlan-cos-rev", "tcp-mss-sender", "tcp-mss-receiver", "session-ttl",
    "tcp-session-without-syn", "tcp-timeout-pid", "udp-timeout-pid", "timeout-send-rst",
    "auto-asic-offload", "np-acceleration", "delay-tcp-npu-session", "anti-replay",
    "passive-wan-health-measurement", "replacemsg-override-group", "block-notification",
    "reputation-direction", "reputation-direction6", "geoip-match", "wanopt-detection", "wsso",
    "wanopt-passive-opt", "wanopt-profile", "wanopt-peer", "webcache-https", "eif-check",
    "eif-learn", "rtp-nat", "rtp-addr", "outbound", "inbound", "natinbound", "natoutbound",
    "auth-cert", "auth-path", "auth-redirect-addr", "schedule-timeout",
    "policy-expiry-date", "policy-expiry-date-utc", "dynamic-shaping",
})  # fmt: skip
USUAL = {
    "internet-service": "disable", "internet-service-src": "disable",
    "internet-service6": "disable", "internet-service6-src": "disable",
    "internet-service-negate": "disable", "internet-service-src-negate": "disable",
    "internet-service6-negate": "disable", "internet-service6-src-negate": "disable",
    "match-vip-only": "disable", "tos": "0x00", "tos-mask": "0x00", "tos-negate": "disable",
    "geoip-anycast": "disable", "reputation-minimum": "0", "reputation-minimum6": "0",
    "policy-expiry": "disable", "learning-mode": "disable", "ztna-status": "disable",
    "ztna-device-ownership": "disable", "ztna-policy-redirect": "disable",
    "ztna-tags-match-logic": "or", "rsso": "disable", "fsso": "disable", "ntlm": "disable",
    "ntlm-guest": "disable", "captive-portal-exempt": "disable", "disclaimer": "disable",
    "email-collect": "disable", "radius-mac-auth-bypass": "disable",
    "radius-ip-auth-bypass": "disable", "sgt-check": "disable",
    "http-policy-redirect": "disable", "ssh-policy-redirect": "disable", "wccp": "disable",
    "wanopt": "disable", "webcache": "disable", "nat46": "disable",
    "nat64": "disable", "policy-offload": "enable", "dsri": "disable",
    "fec": "disable", "force-proxy": "disable",
}  # fmt: skip
DAYS = {"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}


def doubted(entry: Entry, vdom: Entry) -> Iterator[str]:
    """Yield what in a policy is not understood, or hangs on more than the packet."""
    for option, given in entry.values.items():
        said = " ".join(given)
        if option not in READ | NEUTRAL and USUAL.get(option) != said:
            yield f"{option} {said}"
    for block in entry.blocks:
        yield f"config {block}"
    schedule = entry.one("schedule")
    if schedule != "always" or not _always(vdom):
        yield f"schedule {schedule}" if schedule else "no schedule"


def _always(vdom: Entry) -> bool:
    """Whether the schedule of that name was left as it comes: all days, all day."""
    entry = vdom.block("firewall schedule recurring").get("always", Entry(0))
    hours = {entry.one(option, "00:00") for option in ("start", "end")}
    return set(entry.values.get("day", DAYS)) == DAYS and hours == {"00:00"}


def meaning(entry: Entry, vdom: Entry) -> str:
    """Give a word for what a policy says, and for all that is defined under the names it says."""
    found: list[object] = []
    seen: set[tuple[str, str]] = set()
    waiting = [("", "", entry)]
    while waiting:
        table, name, one = waiting.pop()
        found.append((table, name, _told(one)))
        for word in {word for given in one.values.values() for word in given}:
            for title, block in vdom.blocks.items():
                if word in block.entries and (title, word) not in seen and not word.isdecimal():
                    seen.add((title, word))
                    waiting.append((title, word, block.entries[word]))
    return fingerprint(found)


def _told(entry: Entry) -> object:
    """Give what an entry says, without what says nothing of packets."""
    values = {
        option: given for option, given in entry.values.items() if option not in NEUTRAL | SILENT
    }
    inner = {
        name: {at: _told(one) for at, one in block.entries.items()}
        for name, block in entry.blocks.items()
    }
    return sorted(values.items()), sorted(inner.items(), key=repr)
