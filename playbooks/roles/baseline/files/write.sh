# Reads files, one a line: path, mode, content in base64, and the command that must accept it, if any,
# which finds the new file as "$1". All of them are written or, where one is refused, none.
set -eu
fresh=$(mktemp -d /etc/.sitiv-XXXXXX)
trap 'rm -rf "$fresh"' EXIT
number=0
while read -r path mode content check; do
  [ -n "$path" ] || continue
  number=$((number + 1))
  printf %s "$content" | base64 -d >"$fresh/$number"
  chmod "$mode" "$fresh/$number"
  if ! said=$(sh -c "${check:-true}" check "$fresh/$number" 2>&1); then
    echo "$path is refused by $check: $said" >&2
    exit 1
  fi
  echo "$number $path" >>"$fresh/all"
done
while read -r number path; do
  mv -f "$fresh/$number" "$path"
  echo "$path"
done <"$fresh/all"
