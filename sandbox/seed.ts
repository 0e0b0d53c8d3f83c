import { readFileSync } from 'node:fs';
import { demoPractice } from './demo.ts';
import { type Generate, generate } from './generate.ts';
import { generatePapers } from './generate-papers.ts';
import { COLLECTIONS, KINDS, type Records } from './records.ts';
import type { Store } from './store.ts';

/** A practice to begin with. Records are as the API shows them, with their ids and without stamps; see README.md. */
export type Seed = { [K in keyof Records as `${K}s`]?: Partial<Records[K]>[] } & { generate?: Generate[] };

/** What a record has when the seed does not say. */
const DEFAULTS: { [K in keyof Records]: Partial<Records[K]> } = {
  site: { schedules_by: 'practitioner' },
  practitioner: { active: true },
  room: { active: true },
  code: { kind: 'visit_type', active: true },
  schedule_label: { active: true },
  schedule: { active: true },
  patient: { active: true, sms_ok: false },
  alert: {},
  plan: {},
  coverage: { relation: 'self', active: true },
  recall_type: { active: true },
  block: {},
  visit: { state: 'scheduled', confirmation: 'none' },
  recall: {},
};

function readSeed(name: string, now: Date): Seed {
  if (name === 'none') return {};
  if (name === 'demo') return demoPractice(now);
  const seed: Seed = JSON.parse(readFileSync(name, 'utf8'));
  const known = [...Object.values(COLLECTIONS), 'generate'];
  const stranger = Object.keys(seed).find((key) => !known.includes(key));
  if (stranger) throw new Error(`The seed may hold ${known.join(', ')}; "${stranger}" is none of these.`);
  return seed;
}

/** Fills an empty store, all or nothing; leaves one that holds anything as it is. `name` is `demo`, `none` or a file. */
export function plantSeed(store: Store, name: string, now: Date): void {
  if (!store.isEmpty()) return;
  const seed = readSeed(name, now);
  store.transaction(() => {
    for (const kind of KINDS) {
      for (const [index, values] of (seed[`${kind}s`] ?? []).entries()) {
        try {
          store.insert(kind, { ...DEFAULTS[kind], ...values });
        } catch (error) {
          throw new Error(
            `${COLLECTIONS[kind]}[${index}] of the seed: ${error instanceof Error ? error.message : error}`,
          );
        }
      }
    }
    for (const order of seed.generate ?? []) {
      generate(store, order, now);
      generatePapers(store, order, now);
    }
  });
}
