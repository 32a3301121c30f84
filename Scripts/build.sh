#!/bin/bash
# Installs what the build needs, builds the release binary, and prints where the time went if it took more than a moment.
# Called by `make build` and `make test`.
cd "$(dirname "$0")/.." || exit 1
swift=${SWIFT:-swift}
# Shorter builds are not worth a summary.
least_seconds=10

samples=$(mktemp)
trap 'rm -f "$samples"' EXIT

# Appends `PID:START TICKS MODULE` for each process below the given one: processor time so far, in ticks.
sample() {
    local pid word module stat words
    for pid in $(cat "/proc/$1/task/"*/children 2>/dev/null); do
        [ "$pid" != "$BASHPID" ] || continue
        module='' words=()
        mapfile -d '' -t words <"/proc/$pid/cmdline"
        # A process that has ended has no words any more; its last sample stands.
        [ ${#words[@]} -gt 0 ] || continue
        read -r stat <"/proc/$pid/stat"
        for word in "${!words[@]}"; do
            case ${words[word]} in
            -emit-executable) module=link && break ;;
            -module-name) module=${words[word + 1]} ;;
            */*.build/*.o) [ -n "$module" ] || { module=${words[word]%.build/*} && module=${module##*/}; } ;;
            *ld.gold | *ld.lld | *lld | *swift-autolink-extract) [ "$word" = 0 ] && module=link && break ;;
            esac
        done
        # The manifests of packages are programs, too.
        [[ " ${words[*]} " == *"/Package.swift "* ]] && module=manifests
        # Behind the name in parentheses, which may contain spaces.
        read -r -a stat <<<"${stat##*) }"
        echo "$pid:${stat[19]} $((stat[11] + stat[12])) ${module:-SwiftPM}"
        sample "$pid"
    done
} 2>/dev/null

summary() {
    awk -v ticks="$(getconf CLK_TCK)" -v installed="$installed" -v fetched="$fetched" -v built="$built" -v ours="$(cd Sources && echo *)" '
        function minutes(s) { return s < 60 ? sprintf("%d s", s) : sprintf("%d min %d s", s / 60, s % 60) }
        function largest(kind,    text, most, module, n) {
            for (n = 0; n < 6; n++) {
                most = ""
                for (module in cpu) if (kind_of[module] == kind && (most == "" || cpu[module] > cpu[most])) most = module
                if (most == "" || cpu[most] < 1) break
                text = text (text ? ", " : "") most " " sprintf("%.0f", cpu[most])
                delete cpu[most]
            }
            return text
        }
        BEGIN { n = split(ours, names, " "); for (i = 1; i <= n; i++) own[names[i]] = 1 }
        { spent[$1] = $2 / ticks; module[$1] = $3 }
        END {
            for (process in spent) cpu[module[process]] += spent[process]
            for (name in cpu) {
                kind_of[name] = name ~ /^(link|manifests|SwiftPM)$/ ? "rest" : name in own ? "own" : "library"
                total[kind_of[name]] += cpu[name]
                all += cpu[name]
            }
            printf "Ready after %s: installed in %s, packages fetched in %s, built in %s.\n",
                minutes(installed + fetched + built), minutes(installed), minutes(fetched), minutes(built)
            printf "Processor time of the build: %s. Libraries %.0f s (%s), Interject %.0f s (%s), the rest %.0f s (%s).\n",
                minutes(all), total["library"], largest("library"), total["own"], largest("own"), total["rest"], largest("rest")
        }' "$samples"
}

Scripts/bootstrap.sh build || exit
installed=$SECONDS
if [ ! -e .build/workspace-state.json ]; then
    "$swift" package resolve || exit
fi
fetched=$((SECONDS - installed))
# Ends with this script however that ends: an interrupt does not reach it.
while sleep 1 && [ -d /proc/$$ ]; do sample $$; done >>"$samples" &
sampler=$!
"$swift" build -c release --product interject
status=$?
kill "$sampler"
built=$((SECONDS - installed - fetched))
[ "$SECONDS" -lt $least_seconds ] || summary
exit $status
