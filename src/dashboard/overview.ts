/** What an operator sees first: one word, why, and the figures of now. */
import { byId, fillList, make, mark } from './dom.ts';
import { count, milliseconds, perSecond } from './format.ts';
import type { Live, Verdict } from './live.ts';

const WORDS: Record<Verdict['level'], string> = {
  good: 'Healthy',
  warning: 'Needs a look',
  bad: 'In trouble',
};
const DATABASE = { up: 'answers', down: 'does not answer', unknown: 'nobody knows' } as const;
const REASONS_SHOWN = 3;
/** Before the title, so that it can be told from the tab. */
const SIGNS: Record<Verdict['level'], string> = { good: '✓', warning: '!', bad: '✕' };

export function showOverview(live: Live): void {
  const { verdict, database, serving, partitions, point } = live;
  const total = partitions.worker.length;
  showVerdict(verdict);
  const failed = point?.failed ?? 0;
  fillList('facts', [
    [
      'Partitions serving',
      `${count(serving)} of ${count(total)}`,
      { level: serving < total ? 'bad' : undefined },
    ],
    ['Database', DATABASE[database], { level: database === 'up' ? undefined : 'bad' }],
    ['Failing', point ? perSecond(failed) : '–', { level: failed > 0 ? 'warning' : undefined }],
  ]);
  fillList('tiles', [
    ['Requests', count(point?.requests), { unit: ' /s' }],
    ['Granted', count(point?.granted), { unit: ' /s' }],
    ['Out of stock', count(point?.refused), { unit: ' /s' }],
    ['Latency p50', ...parted(milliseconds(point?.p50))],
    ['Latency p99', ...parted(milliseconds(point?.p99))],
    ['Commits', count(live.commitRate), { unit: ' /s' }],
    ['Commit p99', ...parted(milliseconds(live.commitP99))],
    ['Open reservations', count(live.held)],
  ]);
}

function showVerdict({ level, reasons }: Verdict): void {
  const text = byId('verdict-text');
  const why =
    reasons.slice(0, REASONS_SHOWN).join('; ') || 'Every process reports, and every partition is served.';
  const more = reasons.length > REASONS_SHOWN ? `; and ${reasons.length - REASONS_SHOWN} more` : '';
  mark(byId('verdict'), 'level', level);
  document.title = `${SIGNS[level]} Holdfast: ${WORDS[level].toLowerCase()}`;
  if (text.textContent === WORDS[level] + why + more) return;
  text.replaceChildren(make('strong', { textContent: WORDS[level] }), why + more);
}

/** A number, and its unit. */
function parted(text: string): [string, { unit: string }] {
  const at = text.indexOf(' ');
  return at < 0 ? [text, { unit: '' }] : [text.slice(0, at), { unit: text.slice(at) }];
}
