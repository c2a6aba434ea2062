/**
 * The manifests: each field is one that Kubernetes has, of its type (checked by the compiler, against the types made from
 * Kubernetes' own OpenAPI document), and what they say of each other and of the server is so.
 */
import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Deployment } from 'kubernetes-types/apps/v1';
import type { Container, Service } from 'kubernetes-types/core/v1';
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1';
import ts from 'typescript';
import { SETTINGS } from '../../src/config.ts';
import { DRAIN_MS } from '../../src/supervisor/supervisor.ts';
import { REPOSITORY } from '../helpers/server.ts';

const SLOW_MS = 30_000;
const FOLDER = join(REPOSITORY, 'deploy', 'kubernetes');

interface Manifest {
  apiVersion: string;
  kind: string;
}

const manifests = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.yaml'))
  .flatMap((name) => Bun.YAML.parse(readFileSync(join(FOLDER, name), 'utf8')) as Manifest | Manifest[]);
const theOnly = <T>(kind: string): T => {
  const [found, ...more] = manifests.filter((manifest) => manifest.kind === kind);
  expect(more).toEqual([]);
  return found as T;
};
const deployment = theOnly<Deployment>('Deployment');
const service = theOnly<Service>('Service');
const budget = theOnly<PodDisruptionBudget>('PodDisruptionBudget');
const pod = deployment.spec!.template.spec!;
const [server] = pod.containers;
const containers: Container[] = [...pod.containers, ...pod.initContainers!];
const portNames = containers.flatMap(({ ports }) => ports!.map(({ name }) => name));

/** What the compiler says when these are written down as constants of their types. */
function complaints(all: Manifest[]): string[] {
  const source = all.map((manifest, index) => {
    const { apiVersion, kind } = manifest;
    const module = apiVersion === 'v1' ? 'core/v1' : apiVersion;
    return `export const _${index}: import('kubernetes-types/${module}').${kind} = ${JSON.stringify(manifest)};`;
  });
  const path = join(import.meta.dir, 'manifests.ts');
  const options: ts.CompilerOptions = {
    strict: true,
    skipLibCheck: true,
    lib: ['lib.es5.d.ts'],
    noEmit: true,
    types: [],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile } = host;
  host.fileExists = (name) => name === path || fileExists(name);
  host.getSourceFile = (name, ...more) =>
    name === path
      ? ts.createSourceFile(path, source.join('\n'), ts.ScriptTarget.ESNext)
      : getSourceFile(name, ...more);
  const program = ts.createProgram([path], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

test(
  'every field is known, and of its type',
  () => {
    // One beside them that is not as it should be, to see that it is noticed.
    const wrong = structuredClone(deployment) as Manifest & Deployment;
    Object.assign(wrong.spec!.template.spec!.containers[0], { readynessProbe: {} });
    const [noticed, ...more] = complaints([...manifests, wrong]);
    expect(noticed).toContain('readynessProbe');
    expect(more).toEqual([]);
  },
  SLOW_MS,
);

test('there is one server at a time, and nobody evicts it by the way', () => {
  expect(deployment.spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } });
  expect(budget.spec!.maxUnavailable).toBe(0);
});

test('labels, ports and volumes that are named are there', () => {
  const labels = deployment.spec!.template.metadata!.labels;
  expect(deployment.spec!.selector.matchLabels).toEqual(labels);
  expect(service.spec!.selector).toEqual(labels);
  expect(budget.spec!.selector!.matchLabels).toEqual(labels);

  const probes = [server.startupProbe, server.livenessProbe, server.readinessProbe];
  const ports = [
    ...service.spec!.ports!.map(({ targetPort }) => targetPort),
    ...probes.map((probe) => probe!.httpGet!.port),
  ];
  expect(ports.filter((port) => !portNames.includes(String(port)))).toEqual([]);
  const volumes = pod.volumes!.map(({ name }) => name);
  const mounted = containers.flatMap(({ volumeMounts }) => volumeMounts!.map(({ name }) => name));
  expect(mounted.toSorted()).toEqual(volumes.toSorted());
});

test('every variable is a setting, and each front has a port that HAProxy knows', () => {
  const known: string[] = Object.values(SETTINGS).map(({ variable }) => variable);
  expect(server.env!.map(({ name }) => name).filter((name) => !known.includes(name))).toEqual([]);

  const fronts = Number(server.env!.find(({ name }) => name === SETTINGS.fronts.variable)!.value);
  const ports = Array.from({ length: fronts }, (_, front) => SETTINGS.port.fallback + front);
  expect(server.ports!.map(({ containerPort }) => containerPort)).toEqual(ports);
  const haproxy = readFileSync(join(REPOSITORY, 'deploy', 'haproxy', 'haproxy.cfg'), 'utf8');
  expect(
    [...haproxy.matchAll(/^ {2}server \S+ 127\.0\.0\.1:(\d+)$/gm)].map(([, port]) => Number(port)),
  ).toEqual(ports);
  const [proxy] = pod.initContainers!;
  expect(haproxy).toMatch(new RegExp(`^ {2}bind :${proxy.ports![0].containerPort}$`, 'm'));
});

test('a stop has the time that a drain may take', () => {
  const pauseSeconds = Number(server.lifecycle!.preStop!.exec!.command![1]);
  expect(pod.terminationGracePeriodSeconds! * 1000).toBeGreaterThan(pauseSeconds * 1000 + DRAIN_MS);
});

test('no container may write its file system or be more than it is', () => {
  expect(pod.securityContext!.runAsNonRoot).toBe(true);
  for (const { securityContext } of containers)
    expect(securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
});
