/** What a value must be: for the kernel's replies when they come, and for the compiler. Pure. */

/** The form of a value, of which `T` is the type. */
export interface Shape<T> {
  /** Returns where a value is not of this form, such as `changes.3.name`; null: it is. */
  find(value: unknown): string | null;
  /** For the compiler alone. */
  readonly type?: T;
}

/** The type of the values of a shape. */
export type Of<S> = S extends Shape<infer T> ? T : never;

type Fields = Record<string, Shape<unknown>>;
type Values<F extends Fields> = { [K in keyof F]: Of<F[K]> };

const HERE = '';

const scalar = <T>(name: string): Shape<T> => ({
  find: value => (typeof value === name ? null : HERE)
});

export const STRING = scalar<string>('string');
export const NUMBER = scalar<number>('number');
export const BOOLEAN = scalar<boolean>('boolean');

/** One of a few words. */
export function oneOf<const W extends readonly string[]>(...words: W): Shape<W[number]> {
  return { find: value => (words.includes(value as string) ? null : HERE) };
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return { find: value => (value === null ? null : shape.find(value)) };
}

export function list<T>(shape: Shape<T>): Shape<T[]> {
  return {
    find: value => (Array.isArray(value) ? first(value.entries(), () => shape) : HERE)
  };
}

/** An object with any keys. */
export function values<T>(shape: Shape<T>): Shape<Record<string, T>> {
  return {
    find: value => (isObject(value) ? first(Object.entries(value), () => shape) : HERE)
  };
}

/** An object with at least these fields; of the optional ones, one that is there is looked at. */
export function fields<F extends Fields, O extends Fields = Record<never, never>>(
  shapes: F,
  optional?: O
): Shape<Values<F> & Partial<Values<O>>> {
  const wanted = Object.keys(shapes);
  const known: Fields = { ...shapes, ...optional };
  return {
    find: value => {
      if (!isObject(value)) {
        return HERE;
      }
      const keys = [...wanted, ...Object.keys(optional ?? {}).filter(key => key in value)];
      return first(
        keys.map((key): [string, unknown] => [key, value[key]]),
        key => known[key]
      );
    }
  };
}

function first<K extends string | number>(
  entries: Iterable<[K, unknown]>,
  shapeOf: (key: K) => Shape<unknown>
): string | null {
  for (const [key, value] of entries) {
    const inner = shapeOf(key).find(value);
    if (inner !== null) {
      return inner === HERE ? `${key}` : `${key}.${inner}`;
    }
  }
  return null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
