# differs FILE HASH LOADED: prints what is not as it should be: the file, the rules that hold, the
# unit. LOADED is what nft listed when the rules had been loaded from the file. It changes nothing.
[ "$(stat -c '%04a %U:%G' "$1") $(sha256sum -- "$1" | cut -c-64)" = "0644 root:root $2" ] || echo file
nft --stateless list table inet sitiv_host 2>/dev/null | cmp --quiet -- - "$3" || echo rules
systemctl --quiet is-enabled nftables.service || echo unit
