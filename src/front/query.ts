/**
 * Reads the parameters behind the `?` of a path, as strictly as a body: one that is not known, stands twice
 * or is out of range is refused, so that a misspelt filter never answers what nobody asked for.
 */
import type { Static, TObject } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { FAULTS_MAX } from '../limits.ts';
import { type Fault, invalid } from './problems.ts';
import { faultsOf } from './validate.ts';

export interface QueryReader<T> {
  /** The parameters that are there, or the 422 that says what is wrong with them. */
  read(request: Request): T | Response;
}

export function queryReader<S extends TObject>(schema: S): QueryReader<Static<S>> {
  const compiled = TypeCompiler.Compile(schema);
  const names = Object.keys(schema.properties);
  return {
    read({ url }) {
      const given = new Map<string, unknown>();
      const faults: Fault[] = [];
      for (const [parameter, value] of new URL(url).searchParams) {
        if (!names.includes(parameter))
          faults.push({ parameter, code: 'unknown-parameter', detail: known(names) });
        else if (given.has(parameter))
          faults.push({ parameter, code: 'repeated', detail: 'stands more than once' });
        else given.set(parameter, schema.properties[parameter].type === 'integer' ? integer(value) : value);
      }
      const values = Object.fromEntries(given);
      if (!compiled.Check(values)) faults.push(...faultsOf(compiled.Errors(values)).map(ofParameter));
      return faults.length === 0 ? values : invalid(faults.slice(0, FAULTS_MAX));
    },
  };
}

const DIGITS = /^-?\d{1,15}$/;

/** What is no integer stays text, and is of the wrong type. */
function integer(value: string): number | string {
  return DIGITS.test(value) ? Number(value) : value;
}

function ofParameter({ pointer, ...fault }: Fault): Fault {
  return { parameter: pointer!.slice(1), ...fault };
}

function known(names: string[]): string {
  return `is not known; the parameters are ${names.join(', ')}`;
}
