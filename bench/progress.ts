/** How far the benchmark is: a bar on a terminal, a line now and then elsewhere; on stderr. */
import { MultiBar, Presets, type SingleBar } from 'cli-progress';

const REFRESH_MS = 250;
const LINE_EVERY_MS = 15_000;

export class Progress implements Disposable {
  private readonly bars: MultiBar;
  private readonly bar: SingleBar;
  private readonly timer: NodeJS.Timeout;
  private step = '';
  private stepEndsAt = 0;
  private done = 0;

  /** @param seconds how long it will take */
  constructor(seconds: number) {
    this.bars = new MultiBar(
      {
        format: '{bar} {percentage} %  {left}  {step}',
        barsize: 24,
        hideCursor: true,
        noTTYOutput: true,
        notTTYSchedule: LINE_EVERY_MS,
      },
      Presets.shades_classic,
    );
    this.bar = this.bars.create(seconds, 0, { step: '', left: '' });
    this.timer = setInterval(() => {
      if (this.done < this.stepEndsAt) this.done = Math.min(this.stepEndsAt, this.done + REFRESH_MS / 1000);
      this.show();
    }, REFRESH_MS);
  }

  /** Begins the next step, which will take so many of the seconds. */
  begin(step: string, seconds: number): void {
    this.done = this.stepEndsAt;
    this.stepEndsAt += seconds;
    this.step = step;
    this.show();
  }

  private show(): void {
    const left = Math.max(0, Math.ceil(this.bar.getTotal() - this.done));
    const minutes = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')} left`;
    this.bar.update(Math.round(this.done), { step: this.step, left: minutes });
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
    this.bars.stop();
  }
}
