# Prints what drives hold, what is newer than the service's start, and the nodes' names in /etc/hosts.
for drive in "$@"; do
  kind=$(blkid --probe --match-tag TYPE --match-tag PTTYPE --output value "$drive")
  case $? in
    0) echo "drive $drive $kind" ;;
    2) echo "empty $drive" ;; # nothing that blkid knows
    *) echo "unread $drive" ;;
  esac
done
systemctl --quiet is-active minio.service &&
  find /usr/local/bin/minio /etc/default/minio /etc/systemd/system/minio.service \
    -newercc /run/minio -printf 'stale %p\n'
echo "hosts $(sed -n '/^# BEGIN object storage$/,/^# END object storage$/{//!p}' /etc/hosts | sha256sum | cut -c-64)"
