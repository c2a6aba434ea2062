/**
 * Checks a body against its schema, compiled once. What is wrong is found only after the check has
 * failed: every field at fault, by JSON pointer, with what was expected of it.
 */
import { Kind, type Static, type TSchema } from '@sinclair/typebox';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { type ValueError, ValueErrorType } from '@sinclair/typebox/errors';
import { FAULTS_MAX } from '../limits.ts';
import { type Fault, invalid } from './problems.ts';

/** Faults that the schema cannot express, in a value that conforms to it. */
type MoreFaults<T> = (value: T) => Fault[];

export interface Validator<T> {
  /** What is wrong with the value; undefined if nothing is, so that it is a T. */
  faults(value: unknown): Fault[] | undefined;
  /** The value itself, or the 422 that says what is wrong with it. */
  check(value: unknown): T | Response;
}

export function validator<S extends TSchema>(
  schema: S,
  moreFaults?: MoreFaults<Static<S>>,
): Validator<Static<S>> {
  const compiled = TypeCompiler.Compile(schema);
  const faults = (value: unknown): Fault[] | undefined => {
    if (!compiled.Check(value)) return faultsOf(compiled.Errors(value));
    const more = moreFaults?.(value);
    return more === undefined || more.length === 0 ? undefined : more;
  };
  return {
    faults,
    check(value) {
      const found = faults(value);
      return found === undefined ? (value as Static<S>) : invalid(found);
    },
  };
}

/** Each place at fault once, up to FAULTS_MAX of them. */
export function faultsOf(errors: Iterable<ValueError>): Fault[] {
  const byPointer = new Map<string, Fault>();
  try {
    for (const error of errors) {
      if (!byPointer.has(error.path)) byPointer.set(error.path, faultOf(error));
      if (byPointer.size === FAULTS_MAX) break;
    }
  } catch (error) {
    // Items that must differ are compared as deep as they are.
    if (!(error instanceof RangeError)) throw error;
    if (byPointer.size === 0) return [{ pointer: '', code: 'wrong-type', detail: 'is nested too deeply' }];
  }
  return [...byPointer.values()];
}

function faultOf({ type, path, schema, value }: ValueError): Fault {
  switch (type) {
    case ValueErrorType.ObjectRequiredProperty:
      return { pointer: path, code: 'required', detail: `is missing; it must be ${expected(schema)}` };
    case ValueErrorType.ObjectAdditionalProperties:
      return { pointer: path, code: 'unknown-field', detail: knownFields(schema) };
    case ValueErrorType.ArrayUniqueItems:
      return { pointer: path, code: 'duplicate', detail: 'has an item twice' };
    case ValueErrorType.IntegerMinimum:
    case ValueErrorType.IntegerMaximum:
    case ValueErrorType.ArrayMinItems:
    case ValueErrorType.ArrayMaxItems:
      return { pointer: path, code: 'out-of-range', detail: mismatch(schema, value) };
    case ValueErrorType.Kind:
      return {
        pointer: path,
        code: typeof value === 'string' ? 'not-allowed' : 'wrong-type',
        detail: mismatch(schema, value),
      };
    default:
      return { pointer: path, code: 'wrong-type', detail: mismatch(schema, value) };
  }
}

function mismatch(schema: TSchema, value: unknown): string {
  return `must be ${expected(schema)}, not ${shown(value)}`;
}

function expected(schema: TSchema): string {
  switch (schema[Kind]) {
    case 'Integer':
      return `an integer from ${schema.minimum} to ${schema.maximum}`;
    case 'Text':
      return `a string of ${schema.minLength} to ${schema.maxLength} bytes of UTF-8 without control characters`;
    case 'Choice':
      return `one of ${(schema.enum as string[]).map((word) => JSON.stringify(word)).join(', ')}`;
    case 'Array':
      return `an array of ${schema.minItems} to ${schema.maxItems} items`;
    default:
      return `an ${schema.type}`;
  }
}

function knownFields(schema: TSchema): string {
  const names = Object.keys(schema.properties);
  return names.length === 0
    ? 'is not known; this body has no fields'
    : `is not known; the fields are ${names.join(', ')}`;
}

const SHOWN_CHARACTERS = 60;

/** A value short enough for a sentence. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value !== 'string') return String(value);
  return value.length > SHOWN_CHARACTERS
    ? `${JSON.stringify(value.slice(0, SHOWN_CHARACTERS))}… (${value.length} characters)`
    : JSON.stringify(value);
}
