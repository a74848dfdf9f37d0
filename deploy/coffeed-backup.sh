#!/bin/sh
# Takes a backup of the cluster, verifies it, and deletes the oldest ones.
# coffeed-backup.service runs it. Configured in /etc/default/coffeed-backup:
set -eu

# Directory of the backups: dated files, readable by their owner only.
: "${BACKUP_DIR:=/var/backups/coffeed}"
# Number of backups to keep.
: "${BACKUP_KEEP:=14}"
# Public key to which they are sealed, from `coffeectl backup key`. Empty: they are not sealed.
: "${BACKUP_SEAL_TO:=}"
# Certificate of a client with the role backup, from `coffeectl cert request client backup nightly`.
: "${COFFEECTL_CERTS:=/etc/coffeed/backup}"
: "${COFFEECTL:=coffeectl}"
export COFFEECTL_CERTS

case $BACKUP_KEEP in
    '' | *[!0-9]* | 0) echo "BACKUP_KEEP must be a number of at least 1" >&2; exit 2 ;;
esac

file=$BACKUP_DIR/coffeed-$(date -u +%Y%m%dT%H%M%SZ).backup
if [ -n "$BACKUP_SEAL_TO" ]; then
    # The private key that could verify it is not here. It was verified while it arrived.
    "$COFFEECTL" backup --seal-to "$BACKUP_SEAL_TO" "$file"
else
    "$COFFEECTL" backup "$file"
    "$COFFEECTL" backup verify "$file" >/dev/null
fi

# An old backup is deleted only after the new one was verified. The dates in the
# names sort them.
set -- "$BACKUP_DIR"/coffeed-????????T??????Z.backup
while [ $# -gt "$BACKUP_KEEP" ]; do
    rm -- "$1"
    shift
done
