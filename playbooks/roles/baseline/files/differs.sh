# Reads what a host should be, one thing a line, and prints what is not so: its kind and name.
# It stands for a module run for each file, package, service and account: a host that is right costs
# one command. It changes nothing, and of a password it tells whether it is locked.
account() { # its shell, L for a locked password, the day since 1970 on which it ends
  shell=$(getent passwd "$1" | cut -d: -f7)
  [ -n "$shell" ] || return
  day=$(getent shadow "$1" | cut -d: -f8)
  echo "$shell $(passwd -S "$1" | cut -d' ' -f2) ${day:-never}"
}

while read -r kind name want; do
  [ -n "$kind" ] || continue
  case $kind in
    file) is="$(stat -c '%04a %U:%G' "$name") $(sha256sum -- "$name" | cut -c-64)" ;;
    package) is=$(dpkg-query -W -f '${db:Status-Status}' "$name") ;;
    unit) is="$(systemctl is-enabled "$name") $(systemctl is-active "$name")" ;;
    member) is=$(id -nG "$name" | tr ' ' '\n' | grep -Fx -e "$want") ;;
    account) is=$(account "$name") ;;
    removed) is=$(account "$name"); is=${is:-$want} ;; # where it never was, all is well
    kernel) # a setting that this kernel lacks does not differ
      [ -e "/proc/sys/$name" ] && is=$(tr '\t' ' ' <"/proc/sys/$name") || is=$want
      ;;
    *) is="no such kind" ;;
  esac 2>/dev/null
  [ "$is" = "$want" ] || echo "$kind $name"
done
