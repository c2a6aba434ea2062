/** Bars: for the terminal, and as an SVG. One group for each result; within a group, bars share a scale. */
import { count } from '../numbers.ts';
import type { Figure, Result } from '../results.ts';

interface Group {
  title: string;
  /** Of the longest bar. */
  scale: number;
  bars: { label: string; value: number; text: string; isHoldfast: boolean }[];
}

/** Of these, how long answers took says more than how many there were. */
const BY_LATENCY = ['latency', 'expiry'];

function groupsOf(results: Result[]): Group[] {
  return results.flatMap(({ workload, connections, figures }) => {
    const isByLatency = BY_LATENCY.includes(workload);
    const where = connections === undefined ? workload : `${workload}, ${connections} connections`;
    const byUnit = isByLatency
      ? { 'p99 in ms': figures.filter(({ p99Ms }) => p99Ms !== undefined) }
      : Object.groupBy(figures, ({ unit }) => unit);
    const groups = Object.entries(byUnit).map(([unit, alike = []]) => {
      const bars = alike.map((figure) => barOf(figure, isByLatency));
      const scale = Math.max(...bars.map(({ value }) => value)) || 1;
      return { title: `${where}: ${unit}`, scale, bars };
    });
    // One bar alone compares nothing.
    return groups.filter(({ bars }) => groups.length === 1 || bars.length > 1);
  });
}

function barOf({ server, what, value, p99Ms }: Figure, isByLatency: boolean): Group['bars'][number] {
  const shown = isByLatency ? p99Ms! : value;
  const label = what === undefined ? server : `${server}, ${what}`;
  return { label, value: shown, text: count(shown), isHoldfast: server.startsWith('holdfast') };
}

const BAR_CHARACTERS = 48;

export function terminalBars(results: Result[]): string {
  return groupsOf(results)
    .map(({ title, scale, bars }) => {
      const width = Math.max(...bars.map(({ label }) => label.length));
      const lines = bars.map(({ label, value, text, isHoldfast }) => {
        const length = Math.round((value / scale) * BAR_CHARACTERS);
        return `    ${label.padEnd(width)}  ${(isHoldfast ? '█' : '▒').repeat(length)} ${text}`;
      });
      return [`  ${title}`, ...lines].join('\n');
    })
    .join('\n\n');
}

const [WIDTH, LABEL_WIDTH, BAR_WIDTH, LINE_HEIGHT, GAP, MARGIN] = [860, 330, 420, 20, 14, 16];

/** @param about what it was measured on */
export function svgBars(results: Result[], about: string): string {
  let y = MARGIN;
  const parts: string[] = [];
  const text = (x: number, style: string, content: string) =>
    parts.push(`<text x="${x}" y="${y + 14}" ${style}>${escaped(content)}</text>`);
  text(MARGIN, 'class="about"', about);
  y += LINE_HEIGHT + GAP;
  for (const { title, scale, bars } of groupsOf(results)) {
    text(MARGIN, 'class="title"', title);
    y += LINE_HEIGHT;
    for (const { label, value, text: figure, isHoldfast } of bars) {
      const length = Math.max(1, Math.round((value / scale) * BAR_WIDTH));
      text(LABEL_WIDTH - 8, 'text-anchor="end"', label);
      parts.push(
        `<rect x="${LABEL_WIDTH}" y="${y + 3}" width="${length}" height="14" class="${isHoldfast ? 'holdfast' : 'other'}"/>`,
      );
      text(LABEL_WIDTH + length + 6, '', figure);
      y += LINE_HEIGHT;
    }
    y += GAP;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}">
<style>text{font:12px sans-serif;fill:#222}.title{font-weight:bold}.about{fill:#666}.holdfast{fill:#1f6feb}.other{fill:#b6bec8}</style>
<rect width="100%" height="100%" fill="#fff"/>
${parts.join('\n')}
</svg>
`;
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
