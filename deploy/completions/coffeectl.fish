# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_coffeectl_global_optspecs
    string join \n context= endpoints= certs= as= ca= crl= cert= key= timeout= o/output= consistency= y/yes h/help V/version
end

function __fish_coffeectl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_coffeectl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_coffeectl_using_subcommand
    set -l cmd (__fish_coffeectl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c coffeectl -n "__fish_coffeectl_needs_command" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_needs_command" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_needs_command" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_needs_command" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_needs_command" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_needs_command" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_needs_command" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_needs_command" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_needs_command" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_needs_command" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_needs_command" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_needs_command" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -s V -l version -d 'Print version'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "list" -d 'List the nodes, and how many may be lost'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "boot" -d 'Bring a node in, and wait until it votes'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "set" -d 'Give a key a value'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "get" -d 'Print a key\'s value, byte for byte'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "del" -d 'Take a key away'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "keys" -d 'List keys'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "transfer" -d 'Hand leadership to another node'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "down" -d 'Take a node out and shut it down: the leader, unless another is named'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "node" -d 'Change the list of nodes'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "rolling" -d 'Act on the nodes one after another'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "can-stop" -d 'Whether a node can be stopped without losing the quorum'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "wait" -d 'Wait until the cluster is as you want it'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "status" -d 'Print what each of the endpoints knows of itself'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "reload" -d 'Have nodes take up new certificates and settings, without a lost connection'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "log-level" -d 'Print how much the endpoints log, or change it until they are started again'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "cert" -d 'Make, renew and read certificates'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "backup" -d 'Write all keys into a file, from which a cluster can be restored'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "restore" -d 'Make a new cluster of a backup: with coffeed'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "recover" -d 'Go on with what is left of a cluster without a quorum: with coffeed'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "context" -d 'Name whom to ask and as whom, so that nobody has to type it each time'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "bench" -d 'Load the cluster, measure it, and say whether that will do'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "help" -d 'Explain a verb, or the exit codes'
complete -c coffeectl -n "__fish_coffeectl_needs_command" -f -a "completion" -d 'Print the completion script of a shell'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand list" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand list" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand list" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand list" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand list" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand list" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand list" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand list" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand list" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand list" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand list" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand list" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -l address -d 'Where it is reached, unless the cluster remembers it' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand boot" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l file -d 'Read the value from a file' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l if-rev -d 'Only if the key was last changed at this revision' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l request-id -d 'Repeat a write whose outcome is unknown: it is applied at most once' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -l if-absent -d 'Only if the key is not there'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand get" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand get" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand get" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand get" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand get" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand get" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand get" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand get" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand get" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand get" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand get" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand get" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -l if-rev -d 'Only if the key was last changed at this revision' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -l request-id -d 'Repeat a write whose outcome is unknown: it is applied at most once' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand del" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -l limit -d 'At most this many' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -l values -d 'With their values'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand keys" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -l to -d 'To which node; the most caught-up one if none is named' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand transfer" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -l dry-run -d 'Only say what would be done'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand down" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and not __fish_seen_subcommand_from remove" -f -a "remove" -d 'Take a lost node out of the cluster'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -l dry-run -d 'Only say what would be done'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand node; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and not __fish_seen_subcommand_from restart" -f -a "restart" -d 'Restart the nodes with a command of yours: followers first, the leader last'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l exec -d 'What restarts a node, such as \'ssh {host} systemctl restart coffeed\'; {node}, {host} and {address} stand for it' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l nodes -d 'Only these nodes, parted by commas' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l node-timeout -d 'Time for each node, from being asked to having caught up' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l skip-down -d 'Leave out nodes that are down, where there is a quorum without them'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -l dry-run -d 'Only say what would be done'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand rolling; and __fish_seen_subcommand_from restart" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand can-stop" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand can-stop" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand can-stop" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand can-stop" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand can-stop" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand can-stop" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand can-stop" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand can-stop" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand can-stop" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand can-stop" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand can-stop" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand can-stop" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand can-stop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -l for -d 'What to wait for' -r -f -a "leader\t'A node leads'
quorum\t'Most voters are in reach, and one leads'
synced\t'All members (or the named node) have applied what the leader had when the wait began'
voter\t'The named node votes'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -l node -d 'Which node has to be it (leader, synced, voter)' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand status" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand status" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand status" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand status" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand status" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand status" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand status" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand status" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand status" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand status" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand status" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand status" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand reload" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand reload" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand reload" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand reload" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand reload" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand reload" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand reload" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand reload" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand reload" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand reload" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand reload" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand reload" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand reload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -l node -d 'A node to ask in place of the endpoints; may be given again' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand log-level" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -f -a "ca" -d 'Make a certificate authority: the first thing that a cluster needs'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -f -a "node" -d 'Make the certificate of a node'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -f -a "client" -d 'Make the certificate of a client'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -f -a "renew" -d 'Make a certificate valid for longer; its key stays'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -f -a "revoke" -d 'Take certificates back: makes the revocation list that nodes and clients are given'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and not __fish_seen_subcommand_from ca node client renew revoke list" -f -a "list" -d 'List the certificates, and until when they are valid'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -l replace -d 'Put it in the place of the one that is there: all certificates of that one become useless'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -l rotate -d 'Put it in the place of the one that is there in two steps: from now on both are trusted'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -l drop-old -d 'The second step: trust the old one no more'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from ca" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -l host -d 'A host name or address to put into it as well, for other tools; may be repeated' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -l days -d 'How long it is valid' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -l replace -d 'Put it in the place of the one that is there'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from node" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -l days -d 'How long it is valid' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -l replace -d 'Put it in the place of the one that is there'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from client" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -l days -d 'How long it is valid from now; the CA\'s is made for ten years' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -l all -d 'All but those of CAs and those that were revoked'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from renew" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from revoke" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from revoke" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from revoke" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from revoke" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from revoke" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from revoke" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from revoke" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from revoke" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from revoke" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from revoke" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from revoke" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from revoke" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -l check -d 'End with code 7 if one is expired, revoked or unreadable, or has fewer days left than this [default: 30]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand cert; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and not __fish_seen_subcommand_from verify" -a "verify" -d 'Read a backup through, and say what it holds and whether it is whole'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and __fish_seen_subcommand_from verify" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and __fish_seen_subcommand_from verify" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and __fish_seen_subcommand_from verify" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and __fish_seen_subcommand_from verify" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and __fish_seen_subcommand_from verify" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and __fish_seen_subcommand_from verify" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and __fish_seen_subcommand_from verify" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and __fish_seen_subcommand_from verify" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and __fish_seen_subcommand_from verify" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and __fish_seen_subcommand_from verify" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and __fish_seen_subcommand_from verify" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and __fish_seen_subcommand_from verify" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand backup; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand restore" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand restore" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand restore" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand restore" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand restore" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand restore" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand restore" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand restore" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand restore" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand restore" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand restore" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand restore" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand recover" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand recover" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand recover" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand recover" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand recover" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand recover" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand recover" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand recover" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand recover" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand recover" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand recover" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand recover" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand recover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -f -a "list" -d 'List the contexts'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -f -a "show" -d 'Print a context: the one in use, unless another is named'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -f -a "use" -d 'Use a context from now on, in every command that names no other one'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -f -a "set" -d 'Make or change a context of what --endpoints, --certs, --as, --ca, --crl, --cert, --key and --timeout say'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and not __fish_seen_subcommand_from list show use set remove" -f -a "remove" -d 'Forget a context'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from list" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from list" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from list" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from list" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from list" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from list" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from list" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from list" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from list" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from list" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from list" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from list" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from show" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from show" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from show" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from show" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from show" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from show" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from show" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from show" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from show" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from show" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from show" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from show" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from use" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from use" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from use" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from use" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from use" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from use" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from use" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from use" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from use" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from use" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from use" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from use" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from use" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from set" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from set" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from set" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from set" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from set" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from set" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from set" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from set" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from set" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from set" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from set" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from set" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from remove" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from remove" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from remove" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from remove" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from remove" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from remove" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from remove" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from remove" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from remove" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from remove" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from remove" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from remove" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand context; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l clients -d 'Operations in flight at most' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l connections -d 'Connections that the clients share' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l keys -d 'How many keys, chosen from at random' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l key-size -d 'Bytes of a key' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l value-size -d 'Bytes of a value' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l seconds -d 'How long to measure' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l warm-up -d 'How long to run before anything counts' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l rate -d 'Operations that are due a second, whatever the answers take; times count from there [default: each client waits for its answer]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l reads -d 'Reads in a hundred operations of \'mixed\'' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l min-rate -d 'PASS needs this many operations a second [default: 100, or nine tenths of --rate]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l max-p99 -d 'PASS needs 99 of 100 operations to take no longer' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l max-gap -d 'PASS needs a success at least this often' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand help" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand help" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand help" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand help" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand help" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand help" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand help" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand help" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand help" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand help" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand help" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand help" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand completion" -l context -d 'The context to be in; an empty name stands for none [default: the one that \'context use\' named]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand completion" -l endpoints -d 'Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand completion" -l certs -d 'Folder of certificates, as \'coffeectl cert\' makes it' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand completion" -l as -d 'Which client\'s certificate of that folder to use, such as ops or admin-ops [default: the only one]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand completion" -l ca -d 'The CA\'s certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand completion" -l crl -d 'What the CA has revoked, in place of that folder\'s ca.crl' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand completion" -l cert -d 'Own certificate, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand completion" -l key -d 'Own key, in place of that folder\'s' -r -F
complete -c coffeectl -n "__fish_coffeectl_using_subcommand completion" -l timeout -d 'Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]' -r
complete -c coffeectl -n "__fish_coffeectl_using_subcommand completion" -s o -l output -d 'How to write data [default: table]' -r -f -a "table\t'For eyes'
json\t'For programs: one document a line'
plain\t'For scripts: lines of fields parted by tabs, without a heading; stable'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand completion" -l consistency -d 'How fresh a read has to be [default: linearizable]' -r -f -a "linearizable\t'Sees every write acknowledged before'
local\t'Whatever the asked node has: may be old, needs no quorum'"
complete -c coffeectl -n "__fish_coffeectl_using_subcommand completion" -s y -l yes -d 'Answer every question with yes'
complete -c coffeectl -n "__fish_coffeectl_using_subcommand completion" -s h -l help -d 'Print help (see more with \'--help\')'
