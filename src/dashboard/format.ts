/** Numbers as people read them: digits that matter, with their unit. */
const ABSENT = '–';

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

type Value = number | null | undefined;

export function count(value: Value): string {
  if (value === null || value === undefined) return ABSENT;
  return (Math.abs(value) < 10 ? tenths : whole).format(value);
}

export function perSecond(value: Value): string {
  return value === null || value === undefined ? ABSENT : `${count(value)}/s`;
}

export function milliseconds(value: Value): string {
  if (value === null || value === undefined) return ABSENT;
  return value >= 10_000 ? `${count(value / 1000)} s` : `${count(value)} ms`;
}

export function bytes(value: Value): string {
  return value === null || value === undefined ? ABSENT : `${count(value / 1024 / 1024)} MiB`;
}

export function percent(share: Value): string {
  return share === null || share === undefined ? ABSENT : `${whole.format(share * 100)} %`;
}

export function timeOfDay(at: number): string {
  return clock.format(at);
}

/** From 59 s over 59 min to days, in its two largest units. */
export function duration(ms: Value): string {
  if (ms === null || ms === undefined) return ABSENT;
  const seconds = Math.max(0, Math.round(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes === 0) return `${seconds} s`;
  if (hours === 0) return `${minutes} min ${seconds % 60} s`;
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
