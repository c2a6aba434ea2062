/**
 * Every setting: variable, default, unit, check. A value outside of what is allowed stops the start
 * with one line that names the setting, the value and what is allowed; an empty value counts as unset.
 */
import { availableParallelism } from 'node:os';
import { KEY_HOURS_DEFAULT, PARTITIONS_DEFAULT, PARTITIONS_MAX } from './limits.ts';
import { LEVELS, type Level } from './observability/log.ts';

export interface Settings {
  port: number;
  host: string;
  databaseUrl: string | undefined;
  dataDir: string;
  fronts: number;
  workers: number;
  partitions: number;
  /** undefined: for ever */
  retentionDays: number | undefined;
  keyHours: number;
  logLevel: Level;
  /** Both or none of them. */
  tlsCert: string | undefined;
  tlsKey: string | undefined;
}

export interface Setting<T> {
  variable: string;
  /** What holds when the variable is not set. */
  fallback: T;
  /** The default in words, where it is not the value itself. */
  fallbackText?: string;
  meaning: string;
  allowed: string;
  /** The value, or undefined where the text is not allowed. */
  read(text: string): T | undefined;
}

/** A setting that the server can't start with; the message is one line for an operator. */
export class WrongSetting extends Error {}

const FRONTS_MAX = 64;
const WORKERS_MAX = 64;
const PORT_MAX = 65_535;
const RETENTION_DAYS_MAX = 36_500;
const KEY_HOURS_MAX = 8760;

/**
 * Half of the cores to fronts, where HTTP is parsed, a quarter to workers; Postgres gets the rest.
 * With two cores all three share them.
 */
const cores = availableParallelism();
const frontsByCores = Math.min(Math.max(1, Math.floor(cores / 2)), 16);
const workersByCores = Math.min(Math.max(1, Math.floor(cores / 4)), 16);

export const SETTINGS: { [Name in keyof Settings]: Setting<Settings[Name]> } = {
  port: {
    variable: 'PORT',
    fallback: 3000,
    meaning: 'TCP port of the first front; front i listens on PORT + i',
    allowed: `a whole number from 1 to ${PORT_MAX}`,
    read: wholeNumber(1, PORT_MAX),
  },
  host: {
    variable: 'HOST',
    fallback: '127.0.0.1',
    meaning: 'address to listen on; 0.0.0.0 for all. One that others can reach needs an API key',
    allowed: 'an IP address or a host name of this machine',
    read: (text) => (/^[A-Za-z0-9._:%-]+$/.test(text) ? text : undefined),
  },
  databaseUrl: {
    variable: 'DATABASE_URL',
    fallback: undefined,
    fallbackText: 'none: an embedded Postgres',
    meaning: 'any Postgres 15 or later',
    allowed: 'postgres://user:password@host:port/database, with user and password percent-encoded',
    read: (text) => (isDatabaseUrl(text) ? text : undefined),
  },
  dataDir: {
    variable: 'HOLDFAST_DATA_DIR',
    fallback: '.holdfast',
    meaning: 'folder of the embedded database and of the sockets between processes',
    allowed: 'the path of a folder that can be written',
    read: (text) => (text.includes('\0') ? undefined : text),
  },
  fronts: {
    variable: 'HOLDFAST_FRONTS',
    fallback: frontsByCores,
    fallbackText: 'half of the cores',
    meaning: 'front processes',
    allowed: `a whole number from 1 to ${FRONTS_MAX}`,
    read: wholeNumber(1, FRONTS_MAX),
  },
  workers: {
    variable: 'HOLDFAST_WORKERS',
    fallback: workersByCores,
    fallbackText: 'a quarter of the cores',
    meaning: 'worker processes',
    allowed: `a whole number from 1 to ${WORKERS_MAX}`,
    read: wholeNumber(1, WORKERS_MAX),
  },
  partitions: {
    variable: 'HOLDFAST_PARTITIONS',
    fallback: PARTITIONS_DEFAULT,
    meaning: 'partitions; fixed when the database is created',
    allowed: `a whole number from 1 to ${PARTITIONS_MAX}`,
    read: wholeNumber(1, PARTITIONS_MAX),
  },
  retentionDays: {
    variable: 'HOLDFAST_RETENTION_DAYS',
    fallback: undefined,
    fallbackText: 'none: everything is kept',
    meaning: 'days after which ledger entries and closed reservations are deleted',
    allowed: `a whole number from 1 to ${RETENTION_DAYS_MAX}`,
    read: wholeNumber(1, RETENTION_DAYS_MAX),
  },
  keyHours: {
    variable: 'HOLDFAST_KEY_HOURS',
    fallback: KEY_HOURS_DEFAULT,
    meaning: 'hours for which an Idempotency-Key is remembered',
    allowed: `a whole number from 1 to ${KEY_HOURS_MAX}`,
    read: wholeNumber(1, KEY_HOURS_MAX),
  },
  logLevel: {
    variable: 'HOLDFAST_LOG_LEVEL',
    fallback: 'info',
    meaning: 'what is logged; debug has a line for each request',
    allowed: LEVELS.join(', '),
    read: (text) => LEVELS.find((level) => level === text),
  },
  tlsCert: {
    variable: 'HOLDFAST_TLS_CERT',
    fallback: undefined,
    fallbackText: 'none: HTTP without TLS',
    meaning: 'PEM file with the certificate, and those that it was signed by; read at the start',
    allowed: 'the path of a file, together with HOLDFAST_TLS_KEY',
    read: (text) => (text.includes('\0') ? undefined : text),
  },
  tlsKey: {
    variable: 'HOLDFAST_TLS_KEY',
    fallback: undefined,
    fallbackText: 'none',
    meaning: 'PEM file with the private key of that certificate, without a passphrase',
    allowed: 'the path of a file, together with HOLDFAST_TLS_CERT',
    read: (text) => (text.includes('\0') ? undefined : text),
  },
};

/** @throws WrongSetting */
export function readSettings(env: Record<string, string | undefined>): Settings {
  const settings: Settings = {
    port: read(SETTINGS.port, env),
    host: read(SETTINGS.host, env),
    databaseUrl: read(SETTINGS.databaseUrl, env),
    dataDir: read(SETTINGS.dataDir, env),
    fronts: read(SETTINGS.fronts, env),
    workers: read(SETTINGS.workers, env),
    partitions: read(SETTINGS.partitions, env),
    retentionDays: read(SETTINGS.retentionDays, env),
    keyHours: read(SETTINGS.keyHours, env),
    logLevel: read(SETTINGS.logLevel, env),
    tlsCert: read(SETTINGS.tlsCert, env),
    tlsKey: read(SETTINGS.tlsKey, env),
  };
  const lastPort = settings.port + settings.fronts - 1;
  if (lastPort > PORT_MAX) {
    const { port, fronts } = settings;
    throw new WrongSetting(
      `PORT is ${port}, but ${fronts} fronts need the ports up to ${lastPort}; allowed is PORT + HOLDFAST_FRONTS - 1 up to ${PORT_MAX}`,
    );
  }
  if (settings.workers > settings.partitions) {
    throw new WrongSetting(
      `HOLDFAST_WORKERS is ${settings.workers}; allowed is at most HOLDFAST_PARTITIONS, which is ${settings.partitions}`,
    );
  }
  if ((settings.tlsCert === undefined) !== (settings.tlsKey === undefined)) {
    const [set, missing] =
      settings.tlsKey === undefined
        ? [SETTINGS.tlsCert, SETTINGS.tlsKey]
        : [SETTINGS.tlsKey, SETTINGS.tlsCert];
    throw new WrongSetting(`${set.variable} is set and ${missing.variable} is not; TLS needs both`);
  }
  return settings;
}

/**
 * Whether only this machine reaches what listens there. A name other than `localhost` may be anybody's tomorrow: it
 * counts as one that others reach.
 */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function read<T>(setting: Setting<T>, env: Record<string, string | undefined>): T {
  const text = env[setting.variable]?.trim();
  if (text === undefined || text === '') return setting.fallback;
  const value = setting.read(text);
  if (value === undefined) {
    // Where it is not well formed, nobody knows which part is the password.
    const shown = setting.variable === 'DATABASE_URL' ? 'not well formed (not shown)' : JSON.stringify(text);
    throw new WrongSetting(`${setting.variable} is ${shown}; allowed is ${setting.allowed}`);
  }
  return value;
}

function wholeNumber(min: number, max: number): (text: string) => number | undefined {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  };
}

/**
 * Scheme and user, hosts, database and options of a database's URL. A password with an `@`, `/`, `?` or
 * `#` that is not percent-encoded would be taken for a host, and end up in messages: refused.
 */
const DATABASE_URL = /^(postgres(?:ql)?:\/\/(?:[^@/?#\s]*@)?)([^@/?#\s]+)(\/[^@?#\s]*)?(\?[^@#\s]*)?$/;

function isDatabaseUrl(text: string): boolean {
  const [, before, hosts, path = '', options = ''] = DATABASE_URL.exec(text) ?? [];
  return hosts?.split(',').every((host) => URL.canParse(before + host + path + options)) ?? false;
}

/** Where a database is, for people to read: hosts and name, without user, password and options. */
export function databasePlace(url: string): string {
  const [, , hosts, path = ''] = DATABASE_URL.exec(url) ?? [];
  return hosts + path;
}

/** The table of settings, as --help shows it. */
export function settingsHelp(): string {
  return Object.values(SETTINGS)
    .map(({ variable, fallback, fallbackText, meaning, allowed }) => {
      const standard = fallbackText === undefined ? String(fallback) : fallbackText;
      return `  ${variable.padEnd(23)} ${meaning}\n${' '.repeat(26)}default: ${standard}; allowed: ${allowed}`;
    })
    .join('\n');
}
