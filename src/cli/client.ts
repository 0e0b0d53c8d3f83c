/** What `openchair/client` is made of: types from the OpenAPI document, and JavaScript from the TypeScript in `client/`. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

// biome-ignore lint/suspicious/noExplicitAny: a document is JSON.
type Json = any;

/** Types only: no JavaScript belongs to it. */
const OPERATIONS = 'operations.d.ts';
const MADE = '/** Made from openapi.json by `npm run generate`. */';

/** The types of every operation, as `client/dist/operations.d.ts` holds them. */
export function clientOperations(document: Json): string {
  const schemas = Object.entries<Json>(document.components.schemas)
    .filter(([name]) => name !== 'Error')
    .map(([name, schema]) => `${comment(schema, '')}export type ${name} = ${typeOf(schema, '')};`);
  const operations = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, operation]) =>
      [
        comment({ ...operation, description: operation.summary }, '  '),
        `  '${method.toUpperCase()} ${path}': {`,
        `\n    params: ${paramsOf(operation)};`,
        `\n    data: ${dataOf(operation)};`,
        '\n  };',
      ].join(''),
    ),
  );
  return `${MADE}\n\n${schemas.join('\n\n')}\n\nexport interface Operations {\n${operations.join('\n')}\n}\n`;
}

/** Path and query parameters with those of the body: no two of them share a name. */
function paramsOf({ parameters, requestBody }: Json): string {
  const fields = parameters
    .filter((parameter: Json) => !parameter.$ref)
    .map(({ name, required, schema, description }: Json) => {
      // The client knows its own subdomain.
      const optional = required && name !== 'subdomain' ? '' : '?';
      return `${comment({ description }, '      ')}      ${name.replace('[]', '')}${optional}: ${typeOf(schema, '      ')};\n`;
    });
  const own = fields.length === 0 ? '{}' : `{\n${fields.join('')}    }`;
  if (!requestBody) return own;
  const body = typeOf(requestBody.content['application/json'].schema, '');
  return fields.length === 0 ? body : `${own} & ${body}`;
}

function dataOf({ responses }: Json): string {
  const [, success] = Object.entries<Json>(responses).find(([status]) => status.startsWith('2')) as [string, Json];
  return success.content ? typeOf(success.content['application/json'].schema.properties.data, '    ') : 'null';
}

/** TypeScript for the JSON Schema that zod writes. */
function typeOf(schema: Json, indent: string): string {
  if (schema.$ref) return schema.$ref.split('/').at(-1);
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value: Json) => JSON.stringify(value)).join(' | ');
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map((choice: Json) => typeOf(choice, indent)).join(' | ');
  if (schema.allOf) return schema.allOf.map((part: Json) => `(${typeOf(part, indent)})`).join(' & ');
  if (Array.isArray(schema.type))
    return schema.type.map((type: string) => typeOf({ ...schema, type }, indent)).join(' | ');
  if (schema.type === 'integer') return 'number';
  if (schema.type === 'array') return arrayOf(typeOf(schema.items ?? {}, indent));
  if (schema.type === 'object') return objectOf(schema, indent);
  return schema.type ?? 'unknown';
}

const arrayOf = (item: string) => (/^\w+$/.test(item) ? `${item}[]` : `(${item})[]`);

function objectOf({ properties = {}, required = [], additionalProperties }: Json, indent: string): string {
  const inner = `${indent}  `;
  const fields = Object.entries<Json>(properties).map(([name, schema]) => {
    const key = /^\w+$/.test(name) ? name : JSON.stringify(name);
    return `${comment(schema, inner)}${inner}${key}${required.includes(name) ? '' : '?'}: ${typeOf(schema, inner)};\n`;
  });
  if (fields.length > 0) return `{\n${fields.join('')}${indent}}`;
  if (typeof additionalProperties === 'object') return `Record<string, ${typeOf(additionalProperties, indent)}>`;
  return 'Record<string, unknown>';
}

function comment({ description, deprecated }: Json, indent: string): string {
  const text = [description, deprecated && '@deprecated'].filter(Boolean).join(' ').replaceAll('*/', '*');
  return text === '' ? '' : `${indent}/** ${text} */\n`;
}

/**
 * JavaScript and declarations of `client/*.ts`, by file name, with these types of the operations. Node refuses
 * to strip types below node_modules, so what others import has to be JavaScript.
 */
export async function buildClient(root: string, operations: string): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'openchair-client-'));
  try {
    const source = join(folder, 'source');
    await mkdir(join(source, 'dist'), { recursive: true });
    await writeFile(join(folder, 'package.json'), '{"type": "module"}');
    for (const name of await readdir(join(root, 'client'))) {
      if (name.endsWith('.ts')) await cp(join(root, 'client', name), join(source, name));
    }
    await writeFile(join(source, 'dist', OPERATIONS), operations);
    const compilerOptions = {
      target: 'es2022',
      lib: ['es2023', 'dom'],
      module: 'nodenext',
      strict: true,
      declaration: true,
      rewriteRelativeImportExtensions: true,
      typeRoots: [join(root, 'node_modules/@types')],
      types: ['node'],
      rootDir: 'source',
      outDir: 'built',
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['source'] }));
    await promisify(execFile)(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]).catch(
      (error: { stdout: string }) => {
        throw new Error(`The client does not compile:\n${error.stdout}`);
      },
    );
    const built: Record<string, string> = { [OPERATIONS]: operations };
    for (const name of (await readdir(join(folder, 'built'))).sort()) {
      const content = await readFile(join(folder, 'built', name), 'utf8');
      // The compiler rewrites these in JavaScript, not in declarations.
      built[name] = content
        .replaceAll(`'./dist/${OPERATIONS}'`, "'./operations.js'")
        .replace(/(from '\.\/\w+)\.ts'/g, "$1.js'");
    }
    return built;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
