/** The codes by which the sandbox knows descriptors: what its visits name, and what a descriptor's row has as foreign id. */
import type { Seed, SeedInstitution } from './format.ts';

type Descriptor = SeedInstitution['descriptors'][number];

/** The code of a descriptor, unique within its institution. */
export const codeOf = ({ id, code }: Descriptor) => code ?? `CODE-${id}`;

/** The code that a type gets which names no descriptor. */
export const ownCodeOf = (typeId: number) => `TYPE-${typeId}`;

/** The code that a visit of this type has: of its first visit type that is in use. Null when it has none. */
export function visitCodeOf(institution: SeedInstitution, typeId: number | null): string | null {
  const type = institution.appointment_types.find(({ id }) => id === typeId);
  const found = institution.descriptors.find(
    ({ id, descriptor_type, active }) =>
      active && descriptor_type === 'Appointment Type' && type?.emr_appt_descriptor_ids?.includes(id),
  );
  return found ? codeOf(found) : null;
}

/** Every type with its descriptors: one that does not say gets one of its own, beyond all ids of the file. */
export function withOwnCodes(seed: Seed): Seed {
  let lastId = seed.institutions
    .flatMap(({ descriptors }) => descriptors)
    .reduce((most, { id }) => Math.max(most, id), 0);
  const institutions = seed.institutions.map((institution) => {
    const descriptors = [...institution.descriptors];
    const appointment_types = institution.appointment_types.map((type) => {
      if (type.emr_appt_descriptor_ids) return type;
      lastId += 1;
      const { id: typeId, name, minutes } = type;
      const own = { id: lastId, name, code: ownCodeOf(typeId), active: true, data: { minutes } };
      descriptors.push({ ...own, descriptor_type: 'Appointment Type' });
      return { ...type, emr_appt_descriptor_ids: [own.id] };
    });
    return { ...institution, descriptors, appointment_types };
  });
  return { ...seed, institutions };
}
