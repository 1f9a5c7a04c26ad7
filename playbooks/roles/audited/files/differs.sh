# differs ACCOUNT (PATH MODE HASH)...: prints what is not as it should be, "account" or a path.
# It changes nothing, and tells of the password whether it is locked.
is="$(getent passwd "$1" | cut -d: -f6-7) $(passwd -S "$1" 2>/dev/null | cut -d' ' -f2)"
[ "$is" = "/:/bin/sh L" ] || echo account
shift
while [ $# -ge 3 ]; do
  is="$(stat -c '%04a %U:%G' "$1" 2>/dev/null) $(sha256sum -- "$1" 2>/dev/null | cut -c-64)"
  [ "$is" = "$2 root:root $3" ] || echo "$1"
  shift 3
done
