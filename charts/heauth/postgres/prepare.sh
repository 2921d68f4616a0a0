# Makes the database once: whole, or not at all.
set -eu
[ ! -d "$PGDATA" ] || exit 0
new=$PGDATA.new
rm -rf "$new"
initdb --pgdata="$new" --username=postgres --encoding=UTF8 --locale=C --auth-local=trust --auth-host=scram-sha-256
echo "host all all all scram-sha-256" >>"$new/pg_hba.conf"
pg_ctl start --pgdata="$new" --wait --options="-c listen_addresses= -c unix_socket_directories=/tmp"
psql --host=/tmp --username=postgres --dbname=postgres --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=/prepare/prepare.sql
pg_ctl stop --pgdata="$new" --wait --mode=fast
mv "$new" "$PGDATA"
