/**
 * What a caller needs for a call: one scope, any key, or nothing. By rules over method and route, so that a route that
 * is new has its need without anyone thinking of it; what no rule names is for administrators.
 */
import type { Scope } from '../access/scopes.ts';

export type Need = Scope | 'any' | 'nothing';

/** What says nothing of stock or server: checks of a load balancer, and the documentation. */
const PUBLIC = ['/livez', '/readyz', '/swagger', '/problems'];
/** A read whose question does not fit into a URL. */
const QUERY = '/v1/stock/query';

/** @param route the pattern, as OpenAPI shows it */
export function needOf(method: string, route: string): Need {
  if (PUBLIC.some((path) => isUnder(route, path))) return 'nothing';
  const reads = method === 'GET' || method === 'HEAD' || route === QUERY;
  if (isUnder(route, '/v1/stock')) return reads ? 'read' : 'stock';
  if (isUnder(route, '/v1/reservations')) return reads ? 'read' : 'reserve';
  return 'admin';
}

function isUnder(route: string, path: string): boolean {
  return route === path || route.startsWith(`${path}/`);
}
