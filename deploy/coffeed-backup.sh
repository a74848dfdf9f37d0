#!/bin/sh
# Takes a backup of the cluster, verifies it, and keeps the last ones: what
# coffeed-backup.service runs. Set by /etc/default/coffeed-backup, or here:
set -eu

# Where the backups go: dated files, readable by their owner alone.
: "${BACKUP_DIR:=/var/backups/coffeed}"
# How many are kept.
: "${BACKUP_KEEP:=14}"
# The certificate of a client with the role admin, as `coffeectl cert client admin backup` makes it.
: "${COFFEECTL_CERTS:=/etc/coffeed/backup}"
: "${COFFEECTL:=coffeectl}"
export COFFEECTL_CERTS

case $BACKUP_KEEP in
    '' | *[!0-9]* | 0) echo "BACKUP_KEEP has to be a number from 1 on" >&2; exit 2 ;;
esac

file=$BACKUP_DIR/coffeed-$(date -u +%Y%m%dT%H%M%SZ).backup
"$COFFEECTL" backup "$file"
"$COFFEECTL" backup verify "$file" >/dev/null

# Only now, with a newer one that is whole, does an old one go. The dates in
# their names put them in order.
set -- "$BACKUP_DIR"/coffeed-????????T??????Z.backup
while [ $# -gt "$BACKUP_KEEP" ]; do
    rm -- "$1"
    shift
done
