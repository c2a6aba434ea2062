/**
 * Whether all is well, in a word, and if not, why: what an operator sees first. The bounds are those of the
 * alerts in deploy/prometheus/alerts.yml, looked at over seconds instead of minutes.
 */
import type { Verdict } from '../dashboard/live.ts';

const FAILED_SHARE_MAX = 0.01;
const LATENCY_P99_MAX_MS = 500;
const COMMIT_P99_MAX_MS = 200;
const LAG_P99_MAX_MS = 200;
const DEEPEST_MAX = 4000;

/** What it is judged by, over the last seconds. */
export interface Signs {
  /** Why it is not ready, as /readyz says it. */
  missing: string[];
  /** Processes that did not report. */
  silent: string[];
  failedShare: number;
  latencyP99: number | null;
  commitP99: number | null;
  commitFailures: number;
  deepest: number;
  /** Of each process. */
  lags: { process: string; lagP99: number | null }[];
}

export function verdictOf(signs: Signs): Verdict {
  const { missing, silent, failedShare, latencyP99, commitP99, commitFailures, deepest, lags } = signs;
  // Of a worker that answers nobody, once is enough.
  const unheard = silent.filter((process) => !missing.some((reason) => reason.startsWith(`${process} `)));
  const bad = [...missing, ...unheard.map((process) => `${process} does not report`)];
  const warnings: string[] = [];
  if (failedShare > FAILED_SHARE_MAX) bad.push(`${percent(failedShare)} of requests fail`);
  else if (failedShare > 0) warnings.push(`${percent(failedShare)} of requests fail`);
  if (commitFailures > 0) warnings.push('the database refuses commits, or does not answer them');
  if (latencyP99 !== null && latencyP99 > LATENCY_P99_MAX_MS)
    warnings.push(`one request in a hundred takes over ${ms(latencyP99)}`);
  if (commitP99 !== null && commitP99 > COMMIT_P99_MAX_MS)
    warnings.push(`one commit in a hundred takes over ${ms(commitP99)}`);
  if (deepest > DEEPEST_MAX) warnings.push(`${deepest} commands wait in one mailbox`);
  for (const { process, lagP99 } of lags)
    if (lagP99 !== null && lagP99 > LAG_P99_MAX_MS)
      warnings.push(`${process} is busy for ${ms(lagP99)} at a time`);
  const level = bad.length > 0 ? 'bad' : warnings.length > 0 ? 'warning' : 'good';
  return { level, reasons: [...bad, ...warnings] };
}

function percent(share: number): string {
  return share < 0.001 ? 'under 0.1 %' : `${(share * 100).toFixed(1)} %`;
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}
