# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_coffeed_global_optspecs
    string join \n c/config= check-config name= listen= advertise= data-dir= join= tls-ca= tls-cert= tls-key= tls-crl= timers-heartbeat-interval-ms= timers-election-timeout-min-ms= timers-election-timeout-max-ms= storage-snapshot-every-entries= storage-log-keep-entries= storage-log-keep-bytes= storage-flush-bytes= limits-connections-max= limits-connections-per-client-max= limits-write-bytes-in-flight-max= admin-listen= http-listen= log-level= log-format= h/help V/version
end

function __fish_coffeed_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_coffeed_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_coffeed_using_subcommand
    set -l cmd (__fish_coffeed_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c coffeed -n "__fish_coffeed_needs_command" -s c -l config -d 'Configuration file (TOML)' -r -F
complete -c coffeed -n "__fish_coffeed_needs_command" -l name -d 'Node name, as in its certificate' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l listen -d 'UDP address to listen on' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l advertise -d 'Address where other nodes reach this node, if it differs from --listen' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l data-dir -d 'Data directory, used by this node only' -r -F
complete -c coffeed -n "__fish_coffeed_needs_command" -l join -d 'Members to join through if the data directory is empty' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l tls-ca -d 'CA certificate' -r -F
complete -c coffeed -n "__fish_coffeed_needs_command" -l tls-cert -d 'Node certificate' -r -F
complete -c coffeed -n "__fish_coffeed_needs_command" -l tls-key -d 'Node private key' -r -F
complete -c coffeed -n "__fish_coffeed_needs_command" -l tls-crl -d 'Certificate revocation list, made by \'coffeectl cert revoke\'' -r -F
complete -c coffeed -n "__fish_coffeed_needs_command" -l timers-heartbeat-interval-ms -d 'Leader heartbeat interval' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l timers-election-timeout-min-ms -d 'Shortest election timeout, counted from the end of the leader lease' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l timers-election-timeout-max-ms -d 'Longest election timeout; also the leader lease' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l storage-snapshot-every-entries -d 'Log entries between snapshots' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l storage-log-keep-entries -d 'Log entries kept before a snapshot, for followers that lag' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l storage-log-keep-bytes -d 'Maximum bytes of log entries; the oldest are purged' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l storage-flush-bytes -d 'Bytes of changes in memory that are flushed together' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l limits-connections-max -d 'Maximum connections, clients and nodes together' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l limits-connections-per-client-max -d 'Maximum connections per client (role and name)' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l limits-write-bytes-in-flight-max -d 'Maximum bytes of uncommitted writes' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l admin-listen -d 'TCP address for metrics and health checks (HTTP)' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l http-listen -d 'TCP address for keys and values over HTTP, with TLS' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l log-level -d 'Log level: error, warn, info, debug or trace' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l log-format -d 'Log format: human or json' -r
complete -c coffeed -n "__fish_coffeed_needs_command" -l check-config -d 'Check configuration, certificates and data version, print the effective configuration, and exit'
complete -c coffeed -n "__fish_coffeed_needs_command" -s h -l help -d 'Print help'
complete -c coffeed -n "__fish_coffeed_needs_command" -s V -l version -d 'Print version'
complete -c coffeed -n "__fish_coffeed_needs_command" -f -a "demo" -d 'Run up to five shops in this process, with a prompt'
complete -c coffeed -n "__fish_coffeed_needs_command" -f -a "rebuild" -d 'Set this node\'s damaged data aside; after a restart it copies all data from the others'
complete -c coffeed -n "__fish_coffeed_needs_command" -f -a "restore" -d 'Make the first node of a new cluster from a backup'
complete -c coffeed -n "__fish_coffeed_needs_command" -f -a "recover" -d 'Recover from a permanently lost quorum: inspect this node, or make a new cluster from it'
complete -c coffeed -n "__fish_coffeed_needs_command" -f -a "versions" -d 'Show the feature levels and formats that this build reads and writes'
complete -c coffeed -n "__fish_coffeed_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coffeed -n "__fish_coffeed_using_subcommand demo" -l nodes -d 'Number of shops to start with' -r
complete -c coffeed -n "__fish_coffeed_using_subcommand demo" -l data -d 'Directory for certificates and data, reused by the next run [default: a temporary directory]' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand demo" -s c -l config -d 'Configuration file (TOML)' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand demo" -s h -l help -d 'Print help'
complete -c coffeed -n "__fish_coffeed_using_subcommand rebuild" -l from -d 'Members to join through, instead of those in \'join\'' -r
complete -c coffeed -n "__fish_coffeed_using_subcommand rebuild" -l cluster -d 'Id of the cluster to join, if it changed: \'coffeed recover\' and \'coffeed restore\' print it' -r
complete -c coffeed -n "__fish_coffeed_using_subcommand rebuild" -s c -l config -d 'Configuration file (TOML)' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand rebuild" -s h -l help -d 'Print help'
complete -c coffeed -n "__fish_coffeed_using_subcommand restore" -l key-file -d 'Private key of a sealed backup, from \'coffeectl backup key\'' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand restore" -s c -l config -d 'Configuration file (TOML)' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand restore" -s h -l help -d 'Print help'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and not __fish_seen_subcommand_from compare help" -s c -l config -d 'Configuration file (TOML)' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and not __fish_seen_subcommand_from compare help" -s y -l yes -d 'Make a new cluster from this node\'s data'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and not __fish_seen_subcommand_from compare help" -l dry-run -d 'Only print the report (the default)'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and not __fish_seen_subcommand_from compare help" -s h -l help -d 'Print help'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and not __fish_seen_subcommand_from compare help" -f -a "compare" -d 'Compare reports: which node is most advanced, and what may be lost'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and not __fish_seen_subcommand_from compare help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and __fish_seen_subcommand_from compare" -s c -l config -d 'Configuration file (TOML)' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and __fish_seen_subcommand_from compare" -s h -l help -d 'Print help'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and __fish_seen_subcommand_from help" -f -a "compare" -d 'Compare reports: which node is most advanced, and what may be lost'
complete -c coffeed -n "__fish_coffeed_using_subcommand recover; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coffeed -n "__fish_coffeed_using_subcommand versions" -s o -l output -d 'Format of the output' -r -f -a "table\t'For people'
json\t'For programs: one document per line'
plain\t'For scripts: tab-separated fields, one record per line, no header; stable'"
complete -c coffeed -n "__fish_coffeed_using_subcommand versions" -s c -l config -d 'Configuration file (TOML)' -r -F
complete -c coffeed -n "__fish_coffeed_using_subcommand versions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeed -n "__fish_coffeed_using_subcommand help; and not __fish_seen_subcommand_from demo rebuild restore recover versions help" -f -a "demo" -d 'Run up to five shops in this process, with a prompt'
complete -c coffeed -n "__fish_coffeed_using_subcommand help; and not __fish_seen_subcommand_from demo rebuild restore recover versions help" -f -a "rebuild" -d 'Set this node\'s damaged data aside; after a restart it copies all data from the others'
complete -c coffeed -n "__fish_coffeed_using_subcommand help; and not __fish_seen_subcommand_from demo rebuild restore recover versions help" -f -a "restore" -d 'Make the first node of a new cluster from a backup'
complete -c coffeed -n "__fish_coffeed_using_subcommand help; and not __fish_seen_subcommand_from demo rebuild restore recover versions help" -f -a "recover" -d 'Recover from a permanently lost quorum: inspect this node, or make a new cluster from it'
complete -c coffeed -n "__fish_coffeed_using_subcommand help; and not __fish_seen_subcommand_from demo rebuild restore recover versions help" -f -a "versions" -d 'Show the feature levels and formats that this build reads and writes'
complete -c coffeed -n "__fish_coffeed_using_subcommand help; and not __fish_seen_subcommand_from demo rebuild restore recover versions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c coffeed -n "__fish_coffeed_using_subcommand help; and __fish_seen_subcommand_from recover" -f -a "compare" -d 'Compare reports: which node is most advanced, and what may be lost'
