# SPDX-License-Identifier: MIT
# fish completion for cgwatch and cgwatchd

# A path with a comma or with control characters is quoted or escaped in CSV: those are left out.
function __cgwatch_cgroups
    cgwatch ls --csv --columns pids.current 2>/dev/null | tail -n +2 | string match -r '^/[^,\\\\]*(?=,)'
end

function __cgwatch_metrics
    cgwatch metrics 2>/dev/null | awk 'NR > 1 { print $1 } NR > 1 && $2 == "counter" { print $1 ".rate" }'
end

function __cgwatch_columns
    set -l done (commandline -ct | string match -r '.*,')
    for name in all default export (__cgwatch_metrics)
        echo $done$name
    end
end

function __cgwatch_fields
    set -l verb (commandline -opc | string match -r '^(?:ps|ns|overlay)$')[1]
    set -l done (commandline -ct | string match -r '.*,')
    for name in all (cgwatch $verb -H 2>/dev/null | string replace -r ' .*' '')
        echo $done$name
    end
end

function __cgwatch_policy_word
    __fish_seen_subcommand_from policy; and __fish_seen_subcommand_from check explain status simulate release-all
end

set -l verbs ls show ps ns overlay controllers run set freeze thaw policy metrics doctor
set -l no_verb "not __fish_seen_subcommand_from $verbs"

complete -c cgwatch -f
complete -c cgwatch -n $no_verb -l root -r -a '(__fish_complete_directories)' -d 'Recorded tree'
complete -c cgwatch -n $no_verb -l state -r -a '(__fish_complete_directories)' -d 'State directory of the agent'
complete -c cgwatch -n $no_verb -l max-fds -x -d 'Descriptors to keep open'
complete -c cgwatch -n $no_verb -l backend -x -a 'auto files bpf' -d 'Where samples come from'
complete -c cgwatch -s h -l help -d 'Help'
complete -c cgwatch -n $no_verb -s v -l version -d 'Version'
complete -c cgwatch -n $no_verb -a ls -d 'Cgroups and what they use'
complete -c cgwatch -n $no_verb -a show -d 'Everything about one cgroup'
complete -c cgwatch -n $no_verb -a ps -d 'Processes with their cgroup'
complete -c cgwatch -n $no_verb -a ns -d 'Namespaces and what keeps them'
complete -c cgwatch -n $no_verb -a overlay -d 'Overlay mounts and what was written'
complete -c cgwatch -n $no_verb -a controllers -d 'Controllers and where each lives'
complete -c cgwatch -n $no_verb -a run -d 'Start a command in a cgroup, in namespaces'
complete -c cgwatch -n $no_verb -a set -d 'Change limits by hand'
complete -c cgwatch -n $no_verb -a freeze -d 'Stop every task of a cgroup'
complete -c cgwatch -n $no_verb -a thaw -d 'Let it go on'
complete -c cgwatch -n $no_verb -a policy -d 'Look into policies; undo what they did'
complete -c cgwatch -n $no_verb -a metrics -d 'The table of metrics'
complete -c cgwatch -n $no_verb -a doctor -d 'What this host can do'

complete -c cgwatch -n '__fish_seen_subcommand_from ls show ps set freeze thaw explain' -a '(__cgwatch_cgroups)' -d Cgroup
complete -c cgwatch -n '__fish_seen_subcommand_from ls show ps ns overlay controllers metrics doctor status' -l json -d 'For programs'
complete -c cgwatch -n '__fish_seen_subcommand_from doctor' -l bpf -d 'Programs, and where metrics come from'
complete -c cgwatch -n '__fish_seen_subcommand_from ls show' -l interval -x -a '100ms 500ms 1s 2s 5s 10s' -d 'Time between samples'
complete -c cgwatch -n '__fish_seen_subcommand_from ps' -l own -d 'Not of those below it'
complete -c cgwatch -n '__fish_seen_subcommand_from ps ns overlay' -s o -l output -x -a '(__cgwatch_fields)' -d 'Columns'
complete -c cgwatch -n '__fish_seen_subcommand_from ps ns overlay' -s Q -l filter -x -d 'Rows that fit'
complete -c cgwatch -n '__fish_seen_subcommand_from ps ns overlay' -s s -l sort -x -d 'Column to sort by'
complete -c cgwatch -n '__fish_seen_subcommand_from ps ns overlay' -s b -l bytes -d 'Base units'
complete -c cgwatch -n '__fish_seen_subcommand_from ps ns overlay' -s n -l noheadings -d 'No headings'
complete -c cgwatch -n '__fish_seen_subcommand_from ps ns overlay' -s r -l raw -d 'For awk'
complete -c cgwatch -n '__fish_seen_subcommand_from ps ns overlay' -s H -l list-columns -d 'Which columns there are'
complete -c cgwatch -n '__fish_seen_subcommand_from ns' -s t -l type -x -a 'mnt net pid user uts ipc cgroup time' -d 'Types'
complete -c cgwatch -n '__fish_seen_subcommand_from ns' -s p -l task -x -d 'Of a process'
complete -c cgwatch -n '__fish_seen_subcommand_from ns' -l tree -a 'owner parent process' -d 'As a tree'
complete -c cgwatch -n '__fish_seen_subcommand_from ns' -s l -l list -d 'No tree'
complete -c cgwatch -n '__fish_seen_subcommand_from ns' -s P -l persistent -d 'Bind mounted ones'
complete -c cgwatch -n '__fish_seen_subcommand_from ns' -l leaks -d 'Without processes'
complete -c cgwatch -n '__fish_seen_subcommand_from ns' -l holders -d 'What holds each'
complete -c cgwatch -n '__fish_seen_subcommand_from ns' -l limits -d 'Limits and their use'
complete -c cgwatch -n '__fish_seen_subcommand_from ns' -l diff -d 'Why two processes differ'
complete -c cgwatch -n '__fish_seen_subcommand_from overlay' -a "diff (cgwatch overlay -n -r -o MOUNT 2>/dev/null | string match -v '*\\\\*')"
complete -c cgwatch -n '__fish_seen_subcommand_from overlay' -s S -l sizes -d 'Walk writable layers'
complete -c cgwatch -n '__fish_seen_subcommand_from overlay' -l layers -d 'Layers and who has them'
complete -c cgwatch -n '__fish_seen_subcommand_from overlay' -l orphans -d 'What runtimes left behind'
complete -c cgwatch -n '__fish_seen_subcommand_from overlay' -l drivers -d 'Storage drivers'
complete -c cgwatch -n '__fish_seen_subcommand_from diff' -s l -l long -d 'How each differs'
complete -c cgwatch -n '__fish_seen_subcommand_from diff' -l summary -d 'Numbers'
complete -c cgwatch -n '__fish_seen_subcommand_from show overlay' -l budget -x -a '2s 10s 1m' -d 'How long to walk layers'
complete -c cgwatch -n '__fish_seen_subcommand_from ls' -l tree -d 'A tree'
complete -c cgwatch -n '__fish_seen_subcommand_from ls' -l list -d 'One list'
complete -c cgwatch -n '__fish_seen_subcommand_from ls' -l csv -d 'Comma-separated values'
complete -c cgwatch -n '__fish_seen_subcommand_from ls' -l columns -x -a '(__cgwatch_columns)' -d 'Metrics to show'
complete -c cgwatch -n '__fish_seen_subcommand_from ls' -l sort -x -a 'path (__cgwatch_metrics)' -d 'Column to sort by'
complete -c cgwatch -n '__fish_seen_subcommand_from ls' -l watch -d 'Go on'
complete -c cgwatch -n '__fish_seen_subcommand_from controllers' -o m -d 'With mount points'
complete -c cgwatch -n '__fish_seen_subcommand_from controllers' -o a -d 'All controllers'
complete -c cgwatch -n '__fish_seen_subcommand_from metrics' -l markdown -d 'As a table'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l cgroup -x -a '(__cgwatch_cgroups)' -d 'Where'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l cpu -x -a '50% 100%' -d 'Quota, of one core'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l memory -x -a '512M 1G' -d Limit
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l pids -x -d 'Limit of tasks'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l unshare -x -a 'mnt net pid user uts ipc cgroup time' -d 'New namespaces'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l hostname -x -d 'Of the uts namespace'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l domainname -x -d 'Of the uts namespace'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l map-root -d 'Be root inside'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l map-user -x -d 'Be that user inside'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l map-auto -d 'With the numbers of subuid'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l monotonic -x -a '1h 1d' -d 'Offset of the clock'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l boottime -x -a '1h 1d' -d 'Offset of the clock'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l as-pid1 -d 'No init before the command'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l keep-proc -d 'Mount no new /proc'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l target -x -a '(__fish_complete_pids)' -d 'Whom to join'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -l ns -x -a 'all mnt net pid user uts ipc cgroup time' -d 'What to join'
complete -c cgwatch -n '__fish_seen_subcommand_from run' -a '(__fish_complete_subcommand --fcs-skip=2)'
complete -c cgwatch -n '__fish_seen_subcommand_from set' -s n -l dry-run -d 'Write nothing'
complete -c cgwatch -n '__fish_seen_subcommand_from set' -a 'cpu.quota= cpu.burst= cpu.weight= cpu.shares= cpuset.cpus= cpuset.mems= memory.max= memory.high= memory.low= memory.min= memory.swap.max= memory.memsw.max= pids.max= io.weight= io.max= freezer=' -d Knob
complete -c cgwatch -n '__fish_seen_subcommand_from policy; and not __cgwatch_policy_word' -a check -d 'What is wrong with policy files'
complete -c cgwatch -n '__fish_seen_subcommand_from policy; and not __cgwatch_policy_word' -a explain -d 'What policies see of a cgroup'
complete -c cgwatch -n '__fish_seen_subcommand_from policy; and not __cgwatch_policy_word' -a status -d 'What is held now'
complete -c cgwatch -n '__fish_seen_subcommand_from policy; and not __cgwatch_policy_word' -a release-all -d 'Put everything back'
complete -c cgwatch -n '__fish_seen_subcommand_from policy; and not __cgwatch_policy_word' -a simulate -d 'What policies would have done over a recording'
complete -c cgwatch -n '__fish_seen_subcommand_from check explain simulate' -F
complete -c cgwatch -n '__fish_seen_subcommand_from check simulate' -l json -d 'For programs'
complete -c cgwatch -n '__fish_seen_subcommand_from simulate' -l from -r -F -d 'Recording, or - for standard input'
complete -c cgwatch -n '__fish_seen_subcommand_from simulate' -l verbose -d 'Every decision'
complete -c cgwatch -n '__fish_seen_subcommand_from release-all' -l force -d 'Kill an agent that does not answer'

complete -c cgwatchd -f
complete -c cgwatchd -l config -r -F -d Configuration
complete -c cgwatchd -l check -d 'Read configuration and policies, and exit'
complete -c cgwatchd -l root -r -a '(__fish_complete_directories)' -d 'Recorded tree'
complete -c cgwatchd -l interval -x -a '500ms 1s 5s 10s' -d 'Time between samples'
complete -c cgwatchd -l state -r -a '(__fish_complete_directories)' -d 'State directory'
complete -c cgwatchd -l policies -r -F -d 'Policy file or directory'
complete -c cgwatchd -l dry-run -d 'As if every policy were in shadow mode'
complete -c cgwatchd -l max-fds -x -d 'Descriptors to keep open'
complete -c cgwatchd -l backend -x -a 'auto files bpf' -d 'Where samples come from'
complete -c cgwatchd -l log.level -x -a 'error warning info debug' -d 'What to log'
complete -c cgwatchd -l web.listen-address -x -a '127.0.0.1:9753 :9753 none' -d 'Where to serve'
complete -c cgwatchd -l web.telemetry-path -x -a /metrics -d 'Path of the metrics'
complete -c cgwatchd -l web.max-requests -x -d 'At a time'
complete -c cgwatchd -l help -d 'Help'
complete -c cgwatchd -l version -d 'Version'
