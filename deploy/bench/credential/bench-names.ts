/** The schema of the service's tables in the benchmark's database. */
export const benchSchema = "credential";

/** The connector and institution all seeded connections are of. */
export const benchConnector = "bench";
export const benchInstitution = "bench-bank";
