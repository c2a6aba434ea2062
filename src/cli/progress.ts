/** How far a command is, with the rate and the time that is left; on a terminal, and nowhere else. */
import { Presets, SingleBar } from 'cli-progress';

const KNOWN = '{title} {bar} {percentage} %  {levels} levels  {rate}/s  {eta_formatted} left';
const UNKNOWN = '{title} {levels} levels  {rate}/s';

export class Progress {
  private readonly bar: SingleBar | undefined;
  private readonly startedAt = performance.now();
  private done = 0;
  private levels = 0;

  /** @param total in whatever unit it advances; undefined where nobody knows it */
  constructor(title: string, total: number | undefined) {
    if (!process.stderr.isTTY) return;
    const options = { format: total === undefined ? UNKNOWN : KNOWN, hideCursor: true, etaBuffer: 50 };
    this.bar = new SingleBar({ ...options, stream: process.stderr }, Presets.shades_classic);
    this.bar.start(total ?? 0, 0, { title, levels: 0, rate: 0 });
  }

  advance(by: number, levels: number): void {
    this.done += by;
    this.levels += levels;
    const seconds = Math.max(0.001, (performance.now() - this.startedAt) / 1000);
    const count = (number: number): string => number.toLocaleString('en');
    this.bar?.update(this.done, {
      levels: count(this.levels),
      rate: count(Math.round(this.levels / seconds)),
    });
  }

  end(): void {
    this.bar?.stop();
  }
}

const NEWLINE = 10;

/** Lines that end in these bytes. */
export function linesIn(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
