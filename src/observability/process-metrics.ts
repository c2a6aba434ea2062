/** What every process has: memory, processor time, an event loop, a beginning. */
import packageJson from '../../package.json' with { type: 'json' };
import { elapsedMs, systemClock } from '../clock.ts';
import { counterOf, gauge, histogram, SECONDS } from './metrics.ts';

/** How often it is looked how late a timer is, which is how long the event loop was busy with something else. */
const LAG_SAMPLE_MS = 100;

/** To be called once by each process. */
export function watchProcess(): void {
  const startedAt = (systemClock.now() - elapsedMs()) / 1000;
  gauge('process_start_time_seconds', 'When the process began, since the Unix epoch', () => startedAt);
  gauge('process_resident_memory_bytes', 'Resident memory', () => process.memoryUsage.rss());
  counterOf('process_cpu_seconds', 'Processor time, of user and system', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000_000;
  });
  gauge('holdfast_build_info', 'Always 1; the labels say what runs', () => [
    { labels: { version: packageJson.version, bun: Bun.version }, value: 1 },
  ]);
  const lag = histogram(
    'holdfast_event_loop_lag_seconds',
    'How late a timer was: how long the event loop was busy with something else',
    SECONDS,
  );
  const sample = (): void => {
    const dueAt = elapsedMs() + LAG_SAMPLE_MS;
    systemClock.after(LAG_SAMPLE_MS, () => {
      lag.observe(Math.max(0, elapsedMs() - dueAt) / 1000);
      sample();
    });
  };
  sample();
}
