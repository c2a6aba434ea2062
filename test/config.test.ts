import { describe, expect, test } from 'bun:test';
import {
  databasePlace,
  isLoopback,
  readSettings,
  SETTINGS,
  settingsHelp,
  WrongSetting,
} from '../src/config.ts';

function refusal(env: Record<string, string>): string {
  try {
    readSettings(env);
  } catch (error) {
    expect(error).toBeInstanceOf(WrongSetting);
    return (error as Error).message;
  }
  throw new Error(`accepted: ${JSON.stringify(env)}`);
}

describe('settings', () => {
  test('have the documented defaults', () => {
    const settings = readSettings({});
    expect(settings).toMatchObject({
      port: 3000,
      host: '127.0.0.1',
      databaseUrl: undefined,
      dataDir: '.holdfast',
      partitions: 256,
      retentionDays: undefined,
      keyHours: 24,
      logLevel: 'info',
    });
    expect(settings.fronts).toBeGreaterThanOrEqual(1);
    expect(settings.workers).toBeGreaterThanOrEqual(1);
  });

  test('an empty value counts as unset', () => {
    expect(readSettings({ PORT: '', DATABASE_URL: ' ', HOLDFAST_WORKERS: '' })).toEqual(readSettings({}));
  });

  test.each([
    ['PORT', '1', { port: 1 }],
    ['PORT', ' 65535 ', { port: 65_535 }],
    ['HOST', '0.0.0.0', { host: '0.0.0.0' }],
    ['HOST', '::1', { host: '::1' }],
    ['HOST', 'shop.example', { host: 'shop.example' }],
    ['DATABASE_URL', 'postgres://u:p@db:5432/shop', { databaseUrl: 'postgres://u:p@db:5432/shop' }],
    [
      'DATABASE_URL',
      'postgresql://db/shop?sslmode=require',
      { databaseUrl: 'postgresql://db/shop?sslmode=require' },
    ],
    ['HOLDFAST_DATA_DIR', '/var/lib/holdfast', { dataDir: '/var/lib/holdfast' }],
    ['HOLDFAST_FRONTS', '64', { fronts: 64 }],
    ['HOLDFAST_WORKERS', '64', { workers: 64 }],
    ['HOLDFAST_PARTITIONS', '4096', { partitions: 4096 }],
    ['HOLDFAST_RETENTION_DAYS', '36500', { retentionDays: 36_500 }],
    ['HOLDFAST_KEY_HOURS', '1', { keyHours: 1 }],
    ['HOLDFAST_LOG_LEVEL', 'debug', { logLevel: 'debug' }],
  ])('%s=%s is accepted', (variable, value, expected) => {
    expect(readSettings({ HOLDFAST_FRONTS: '1', [variable]: value })).toMatchObject(expected);
  });

  test.each([
    ['PORT', '0', 'a whole number from 1 to 65535'],
    ['PORT', '65536', 'a whole number from 1 to 65535'],
    ['PORT', '80a', 'a whole number from 1 to 65535'],
    ['PORT', '3e3', 'a whole number from 1 to 65535'],
    ['PORT', '-1', 'a whole number from 1 to 65535'],
    ['PORT', '99999999999999999999', 'a whole number from 1 to 65535'],
    ['HOLDFAST_LOG_LEVEL', 'verbose', 'error, warn, info, debug'],
    ['HOST', 'http://localhost', 'an IP address or a host name'],
    ['HOST', 'a b', 'an IP address or a host name'],
    ['HOLDFAST_FRONTS', '0', 'a whole number from 1 to 64'],
    ['HOLDFAST_FRONTS', '65', 'a whole number from 1 to 64'],
    ['HOLDFAST_WORKERS', '1.5', 'a whole number from 1 to 64'],
    ['HOLDFAST_PARTITIONS', '4097', 'a whole number from 1 to 4096'],
    ['HOLDFAST_RETENTION_DAYS', '0', 'a whole number from 1 to 36500'],
    ['HOLDFAST_KEY_HOURS', '8761', 'a whole number from 1 to 8760'],
  ])('%s=%s is refused by name, value and what is allowed', (variable, value, allowed) => {
    const message = refusal({ [variable]: value });
    expect(message).toStartWith(`${variable} is ${JSON.stringify(value)}; allowed is ${allowed}`);
    expect(message).not.toContain('\n');
  });

  test('settings that contradict each other are refused', () => {
    expect(refusal({ PORT: '65535', HOLDFAST_FRONTS: '2' })).toContain('ports up to 65536');
    expect(refusal({ HOLDFAST_WORKERS: '3', HOLDFAST_PARTITIONS: '2' })).toContain(
      'HOLDFAST_PARTITIONS, which is 2',
    );
  });

  test.each([
    'mysql://root:hunter2@db/shop',
    'postgres:/root:hunter2@db/shop',
    'root:hunter2@db/shop',
    'postgres:// root:hunter2@db/shop',
    'hunter2',
    'http://x/?password=hunter2',
    'postgres://root:hunter2',
    'postgres://root:hunter2@db:port/shop',
    'postgres://root:p@hunter2@db/shop',
    'postgres://root:p@hunter2/w?rd@db/shop',
    'postgres://root:p/hunter2@db/shop',
    'postgres://root:p#hunter2@db/shop',
    'postgres://db/shop?password=p@hunter2',
  ])('a wrong DATABASE_URL is refused without its password: %s', (url) => {
    const message = refusal({ DATABASE_URL: url });
    expect(message).toStartWith('DATABASE_URL is not well formed (not shown); allowed is postgres://');
    expect(message).not.toContain('hunter2');
  });

  test.each([
    ['postgres://me:p%40ss@db:5432/shop?password=x', 'db:5432/shop'],
    ['postgres://db/shop', 'db/shop'],
    ['postgres://me:secret@a:1,b:2/shop?target_session_attrs=primary', 'a:1,b:2/shop'],
    ['postgres://me@[::1]:5432', '[::1]:5432'],
  ])('%s is shown as %s', (url, place) => {
    expect(readSettings({ DATABASE_URL: url }).databaseUrl).toBe(url);
    expect(databasePlace(url)).toBe(place);
  });

  test('TLS needs both of its files', () => {
    const both = { HOLDFAST_TLS_CERT: 'a.crt', HOLDFAST_TLS_KEY: 'a.key' };
    expect(readSettings(both)).toMatchObject({ tlsCert: 'a.crt', tlsKey: 'a.key' });
    expect(refusal({ HOLDFAST_TLS_CERT: 'a.crt' })).toContain('HOLDFAST_TLS_KEY is not');
  });

  test.each([
    ['127.0.0.1', true],
    ['127.1.2.3', true],
    ['localhost', true],
    ['::1', true],
    ['0.0.0.0', false],
    ['::', false],
    ['10.0.0.1', false],
    ['127.0.0.1.example', false],
    ['shop.localhost', false],
  ])('%s is of this machine only: %p', (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });

  test('--help names each of them', () => {
    for (const { variable } of Object.values(SETTINGS)) expect(settingsHelp()).toContain(`  ${variable} `);
  });
});
