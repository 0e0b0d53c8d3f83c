/** zod's types as JSON Schema 2020-12, the dialect of OpenAPI 3.1. */
import { z } from 'zod';
import { findParameterText } from './parameter-texts.ts';

export type Json = Record<string, unknown>;

/** What an answer looks like. Shapes that carry an id go into `components` and are pointed at. */
export function answerSchema(type: z.ZodType, components: Json): Json {
  const { $schema: _, $defs, ...schema } = convert(type);
  for (const [name, definition] of Object.entries(($defs ?? {}) as Json)) {
    const { id: _id, ...rest } = pointToComponents(definition) as Json;
    components[name] = rest;
  }
  const { id, ...rest } = pointToComponents(schema) as Json;
  if (typeof id !== 'string') return rest;
  components[id] = rest;
  return { $ref: `#/components/schemas/${id}` };
}

/** What a request may say: with a description wherever there is one, and open to names that nobody knows. */
export function parameterSchema(name: string, type: z.ZodType): Json {
  const { $schema: _, ...schema } = convert(type);
  return describe(name, schema) as Json;
}

const convert = (type: z.ZodType) =>
  z.toJSONSchema(type, { io: 'output', unrepresentable: 'any', override: plain }) as Json;

/** What a reader needs: a format says more than the pattern behind it, and no id comes near the bounds of a number. */
function plain({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: Json }): void {
  const { def } = zodSchema._zod;
  // What is made of a value cannot be told; what may be sent can.
  if (def.type === 'pipe' && def.out._zod.def.type === 'transform') {
    const { $schema: _, ...sent } = convert(def.in as z.ZodType);
    Object.assign(jsonSchema, sent);
  }
  if (jsonSchema.format) delete jsonSchema.pattern;
  if (jsonSchema.type !== 'integer') return;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) {
    delete jsonSchema.maximum;
    jsonSchema.format = 'int64';
  }
}

/** The route's own words for a parameter win over those that its name has everywhere. */
function describe(name: string, node: unknown): unknown {
  if (typeof node !== 'object' || node === null || Array.isArray(node)) return node;
  const { additionalProperties: _, properties, ...schema } = node as Json;
  const description = schema.description ?? findParameterText(name);
  return {
    ...schema,
    ...(description !== undefined && { description }),
    ...(properties !== undefined && {
      properties: Object.fromEntries(
        Object.entries(properties as Json).map(([key, value]) => [key, describe(key, value)]),
      ),
    }),
  };
}

function pointToComponents(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(pointToComponents);
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) =>
      key === '$ref' && typeof value === 'string'
        ? [key, value.replace('#/$defs/', '#/components/schemas/')]
        : [key, pointToComponents(value)],
    ),
  );
}
