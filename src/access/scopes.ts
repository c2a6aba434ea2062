/**
 * What an API key may do. A scope is a kind of caller: a shop page reads, a checkout reserves, a warehouse counts stock,
 * and whoever runs Holdfast administers it. Each may do what its work needs, so that a checkout has one scope and
 * not two.
 */
export const SCOPES = ['read', 'reserve', 'stock', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

const INCLUDED: Record<Scope, readonly Scope[]> = {
  read: ['read'],
  reserve: ['reserve', 'read'],
  stock: ['stock', 'read'],
  admin: SCOPES,
};

/** Everything that these scopes let a caller do. */
export function allowedBy(scopes: readonly Scope[]): Set<Scope> {
  return new Set(scopes.flatMap((scope) => INCLUDED[scope]));
}
