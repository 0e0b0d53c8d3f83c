/**
 * What a server says of itself (R4, capabilitystatement.html). Statements are often written by hand and leave out
 * most of what the server does: what one does not mention is unknown, and then the vendor's profile is believed.
 * What it lists without the thing in question is a no. Where both speak, the more cautious wins.
 */
import { HrsNonsense } from '../connector.ts';
import { type Json, object, objects, text, texts } from './fields.ts';
import type { Quirks } from './quirks.ts';

export interface Statement {
  fhirVersion: string | null;
  /** By resource type. */
  types: Map<string, StatedType>;
}

interface StatedType {
  /** Codes such as `create`, `history-type`; empty when it lists none. */
  interactions: Set<string>;
  /** Names, those for all types included; empty when it lists none. */
  searchParams: Set<string>;
  conditionalCreate: boolean | null;
}

/** Throws `HrsNonsense` for anything else than a CapabilityStatement. */
export function readStatement(json: unknown): Statement {
  const { resourceType, fhirVersion, rest } = object(json);
  if (resourceType !== 'CapabilityStatement') throw new HrsNonsense('there is no CapabilityStatement');
  const types = new Map<string, StatedType>();
  for (const server of objects(rest)) {
    const forAll = names(server.searchParam, 'name');
    for (const resource of objects(server.resource)) {
      const own = names(resource.searchParam, 'name');
      types.set(text(resource.type) ?? '', {
        interactions: new Set(names(resource.interaction, 'code')),
        searchParams: new Set(own.length > 0 ? [...own, ...forAll] : []),
        conditionalCreate: typeof resource.conditionalCreate === 'boolean' ? resource.conditionalCreate : null,
      });
    }
  }
  return { fhirVersion: text(fhirVersion), types };
}

function names(items: unknown, field: string): string[] {
  return texts(objects(items).map((item: Json) => item[field]));
}

/** The profile, less what the server says that it does not do. */
export function narrow(quirks: Quirks, statement: Statement): Quirks {
  /** `null`: it does not say. */
  const says = (type: string, interaction: string): boolean | null => {
    const stated = statement.types.get(type);
    if (stated === undefined) return false;
    return stated.interactions.size === 0 ? null : stated.interactions.has(interaction);
  };
  const searches = (type: string, name: string): boolean => {
    const stated = statement.types.get(type);
    return stated !== undefined && (stated.searchParams.size === 0 || stated.searchParams.has(name));
  };
  const lookedFor = (type: string) =>
    type === 'Appointment' ? ['identifier', 'actor', 'date', ...(isKept('Slot') ? ['slot'] : [])] : ['identifier'];
  const isKept = (type: string) => statement.types.has(type);
  // A booking takes slots, where there are any.
  const changed = ['Appointment', 'Slot'].filter(isKept);
  const all = (interaction: string) => changed.every((type) => says(type, interaction) !== false);

  return {
    ...quirks,
    // What cannot be found again by its marker cannot be made safely, nor an appointment where no other can be found.
    creates: quirks.creates.filter(
      (type) => says(type, 'create') !== false && lookedFor(type).every((name) => searches(type, name)),
    ),
    update: updateBy(quirks.update, all),
    conditionalCreate:
      quirks.conditionalCreate &&
      quirks.creates.every((type) => statement.types.get(type)?.conditionalCreate !== false),
    lastUpdatedSearch: quirks.lastUpdatedSearch && searches('Appointment', '_lastUpdated'),
    // Rare enough to be believed only when it is said.
    typeHistory: quirks.typeHistory && says('Appointment', 'history-type') === true,
    subscriptions: quirks.subscriptions && isKept('Subscription') && says('Subscription', 'create') !== false,
  };
}

function updateBy(profile: Quirks['update'], isPossible: (interaction: string) => boolean): Quirks['update'] {
  if (profile === 'put' && isPossible('update')) return 'put';
  return profile !== 'none' && isPossible('patch') ? 'patch' : 'none';
}
