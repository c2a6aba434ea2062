/**
 * The completion script of each shell. All of them find the place they are at in the same way, by the commands among the
 * words so far, and offer what may come there; nothing of Holdfast runs while somebody types.
 */
import type { Place, Values, Word } from './word-tree.ts';

export const SHELLS: Record<string, (places: Place[]) => string> = { bash, zsh, fish };

function bash(places: Place[]): string {
  return `# Completion of holdfast for bash: source it, or put it into /etc/bash_completion.d.
_holdfast() {
  local IFS=$'\\n' at=holdfast word words='' files=''
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
      ${below(places)}) at="$at $word" ;;
    esac
  done
  case "$at $previous" in
${eachValue(places, ({ words, files }) => `${files ? 'files=yes ' : ''}words=${lines(words)}`)}
    *) case "$at" in
${places.map(({ at, words, files }) => `      ${quoted(at)}) ${files ? 'files=yes ' : ''}words=${lines(words.map(({ word }) => word))} ;;`).join('\n')}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ -n "$files" ]; then COMPREPLY+=($(compgen -f -- "$current")); fi
}
complete -o filenames -F _holdfast holdfast
`;
}

function zsh(places: Place[]): string {
  const described = (words: Word[]): string =>
    `found=(${words.map(({ word, meaning }) => quoted(`${word.replaceAll(':', '\\:')}:${meaning}`)).join(' ')})`;
  return `#compdef holdfast
# Completion of holdfast for zsh: save it as _holdfast in a folder of $fpath, or source it after compinit.
_holdfast() {
  local at=holdfast word files=''
  local -a found
  for word in \${words[2,CURRENT-1]}; do
    case "$at $word" in
      ${below(places)}) at="$at $word" ;;
    esac
  done
  case "$at \${words[CURRENT-1]}" in
${eachValue(places, ({ words, files }) => `${files ? 'files=yes ' : ''}${described(words.map((word) => ({ word, meaning: '' })))}`)}
    *) case "$at" in
${places.map(({ at, words, files }) => `      ${quoted(at)}) ${files ? 'files=yes ' : ''}${described(words)} ;;`).join('\n')}
    esac ;;
  esac
  _describe holdfast found
  if [[ -n $files ]]; then _files; fi
}
if [[ $funcstack[1] == _holdfast ]]; then _holdfast "$@"; else compdef _holdfast holdfast; fi
`;
}

function fish(places: Place[]): string {
  const offered = places.flatMap(({ at, words, files, values }) => {
    const here = `complete -c holdfast -n ${quoted(`__holdfast_at ${quoted(at)}`)}`;
    const valued = new Map(values.map((value) => [value.option, value]));
    return [
      ...words.map(({ word, meaning }) => {
        const value = valued.get(word);
        const takes = value === undefined ? '' : ` ${value.files ? '-r -F' : '-x'}`;
        const among = value?.words.length ? ` -a ${quoted(value.words.join(' '))}` : '';
        const what = word.startsWith('--') ? `-l ${word.slice(2)}${takes}${among}` : `-a ${quoted(word)}`;
        return `${here} ${what} -d ${quoted(meaning)}`;
      }),
      ...(files ? [`${here} -F`] : []),
    ];
  });
  return `# Completion of holdfast for fish: save it as ~/.config/fish/completions/holdfast.fish.
function __holdfast_at
    set -l at holdfast
    for word in (commandline -opc)[2..-1]
        switch "$at $word"
            case ${below(places, ' ')}
                set at "$at $word"
        end
    end
    test "$at" = "$argv[1]"
end
complete -c holdfast -f
${offered.join('\n')}
`;
}

/** Every place but the first, as a pattern of \`case\`. */
function below(places: Place[], between = '|'): string {
  return places
    .slice(1)
    .map(({ at }) => quoted(at))
    .join(between);
}

function eachValue(places: Place[], script: (values: Values) => string): string {
  return places
    .flatMap(({ at, values }) =>
      values.map((value) => `    ${quoted(`${at} ${value.option}`)}) ${script(value)} ;;`),
    )
    .join('\n');
}

/** For bash, which splits them again. */
function lines(words: string[]): string {
  return `$'${words.join('\\n')}'`;
}

/** As every shell here takes it: a quote within ends the text, stands alone, and begins it again. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}
