/** The operator's page against what it is about: no setting, alert or event is missing, and its links and files are there. */
import { expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SETTINGS } from '../../src/config.ts';
import { REPOSITORY } from '../helpers/server.ts';

const PAGE = join(REPOSITORY, 'docs', 'operating.md');
const read = (...path: string[]): string => readFileSync(join(REPOSITORY, ...path), 'utf8');
const page = readFileSync(PAGE, 'utf8');
/** A section with everything below it, from its heading to the next of the same kind. */
const section = (title: string): string =>
  page.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? '';
/** What stands in a section as code, the family of `X`, `…_Y` being written in full. */
const shown = (title: string): string => section(title).replace(/`…(\w+)`/g, '`HOLDFAST$1`');

test('every setting has its row', () => {
  const missing = Object.values(SETTINGS).filter(
    ({ variable }) => !shown('Start and settings').includes(`\`${variable}\``),
  );
  expect(missing.map(({ variable }) => variable)).toEqual([]);
});

test('every alert has its row, with its severity, and none is there that does not exist', () => {
  const alerts = [
    ...read('deploy', 'prometheus', 'alerts.yml').matchAll(/- alert: (\w+)[\s\S]*?severity: (\w+)/g),
  ];
  const rows = [...section('Alerts').matchAll(/^\| `(Holdfast\w+)` +\| (\w+)/gm)];
  const pairs = (found: RegExpMatchArray[]): string[] =>
    found.map(([, name, severity]) => `${name} ${severity}`).sort();
  expect(alerts.length).toBeGreaterThan(10);
  expect(pairs(rows)).toEqual(pairs(alerts));
});

test('every event has its row', () => {
  const events = [...read('src', 'observability', 'events.ts').matchAll(/^ {2}'([a-z]+\.[a-z-]+)':/gm)];
  const known = section('What the log says') + section('Keys, TLS, rate limits');
  expect(events.length).toBeGreaterThan(20);
  expect(events.map(([, event]) => event).filter((event) => !known.includes(`\`${event}\``))).toEqual([]);
});

test('what /readyz can say is explained', () => {
  const said = [...read('src', 'front', 'operations.ts').matchAll(/`worker \$\{worker\} ([a-z ]+)/g)];
  expect(said.length).toBeGreaterThan(2);
  const missing = said.filter(([, text]) => !section('What /readyz says').includes(text.trim()));
  expect(missing.map(([, text]) => text)).toEqual([]);
});

test('files that it names are there', () => {
  const links = [...page.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, link]) => link);
  const files = links.filter((link) => !link.includes(':')).map((link) => join(dirname(PAGE), link));
  const named = [...page.matchAll(/`?\b(deploy\/[\w./-]+\w)/g)].map(([, path]) => join(REPOSITORY, path));
  expect(files.length).toBeGreaterThan(5);
  expect([...files, ...named].filter((path) => !existsSync(path))).toEqual([]);
});
