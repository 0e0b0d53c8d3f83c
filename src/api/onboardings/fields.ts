/**
 * What a person must be asked to connect an HRS of some kind, taken from the schema of its configuration. Asked for
 * is what the kind needs or has given a `title`; it has to be text, or a choice between objects that name themselves
 * (a discriminated union). Everything else keeps its default.
 */
import { z } from 'zod';

export interface TextField {
  type: 'text';
  name: string;
  title: string;
  example: string | null;
  /** A password or token (`writeOnly`): typed unseen, and never sent back. */
  isSecret: boolean;
  isRequired: boolean;
}

export interface Choice {
  type: 'choice';
  name: string;
  title: string;
  /** The property of each option that says which it is. */
  discriminator: string;
  options: { value: string; title: string; fields: Field[] }[];
}

export type Field = TextField | Choice;

/** The part of JSON Schema that such configurations are made of. */
interface Schema {
  type?: string;
  title?: string;
  const?: unknown;
  examples?: unknown[];
  writeOnly?: boolean;
  properties?: Record<string, Schema>;
  required?: string[];
  oneOf?: Schema[];
}

/** The fields of a configuration, in the schema's order. */
export function fieldsOf(configSchema: z.ZodType): Field[] {
  return fieldsOfObject(z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as Schema);
}

function fieldsOfObject({ properties = {}, required = [] }: Schema): Field[] {
  return Object.entries(properties).flatMap(([name, schema]): Field[] => {
    const isRequired = required.includes(name);
    if (!isRequired && schema.title === undefined) return [];
    const title = schema.title ?? name;
    if (schema.oneOf) return [choiceOf(name, title, schema.oneOf)];
    if (schema.type !== 'string' || schema.const !== undefined) return [];
    const example = schema.examples?.[0];
    return [
      {
        type: 'text',
        name,
        title,
        example: example === undefined ? null : String(example),
        isSecret: schema.writeOnly ?? false,
        isRequired,
      },
    ];
  });
}

function choiceOf(name: string, title: string, options: Schema[]): Choice {
  const discriminatorOf = ({ properties = {} }: Schema) =>
    Object.keys(properties).find((key) => properties[key]?.const !== undefined) ?? 'type';
  return {
    type: 'choice',
    name,
    title,
    discriminator: discriminatorOf(options[0] ?? {}),
    options: options.map((option) => {
      const value = String(option.properties?.[discriminatorOf(option)]?.const);
      return { value, title: option.title ?? value, fields: fieldsOfObject(option) };
    }),
  };
}

/**
 * The configuration that a posted form means: of a choice, only the fields of the option that was chosen. A field
 * left empty is absent. The form has `name` for text, `name[discriminator]` for a choice, and `name[option][field]`.
 */
export function readConfig(fields: Field[], posted: unknown): Record<string, unknown> {
  const config: Record<string, unknown> = {};
  for (const field of fields) {
    const value = property(posted, field.name);
    if (field.type === 'text') {
      const text = field.isSecret ? textOf(value) : textOf(value).trim();
      if (text !== '') config[field.name] = text;
      continue;
    }
    const chosen = field.options.find((option) => option.value === property(value, field.discriminator));
    if (!chosen) continue;
    config[field.name] = {
      [field.discriminator]: chosen.value,
      ...readConfig(chosen.fields, property(value, chosen.value)),
    };
  }
  return config;
}

/** Of what may be anything: empty when it is no text. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Of what may be anything: undefined when it is no object. */
export function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** The name that a person saw for the value at `path` of a configuration; null when they saw none. */
export function findTitle(fields: Field[], config: Record<string, unknown>, path: string[]): string | null {
  const [name, ...rest] = path;
  const field = fields.find((one) => one.name === name);
  if (!field) return null;
  if (field.type === 'text' || rest.length === 0) return field.title;
  const inner = config[field.name] as Record<string, unknown>;
  const chosen = field.options.find((option) => option.value === inner?.[field.discriminator]);
  return (chosen && findTitle(chosen.fields, inner, rest)) ?? field.title;
}
