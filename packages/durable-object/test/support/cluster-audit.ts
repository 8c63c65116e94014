/**
 * What the database itself has seen: a trigger writes down every commit of an object with its revision, the owner and
 * epoch of its slot at that moment, and the connection it came over, which is named after its node. It needs no trust in
 * anything that a node says.
 *
 * What must hold for each object: the revisions are 1, 2, 3, … without a gap; epochs never go back; within an epoch one
 * node writes, and it is the owner. Where slots have no owners, because there is no cluster: who has been
 * followed by another writer never comes back.
 */

import { clusterSchema, type ClusterProcesses } from "./cluster-processes.ts";

/** Has every commit written down from now on. The tables of the store have to be there. */
export async function startAudit(processes: ClusterProcesses): Promise<void> {
  await processes.sql(`
    CREATE TABLE ${clusterSchema}.audit (
      number bigserial PRIMARY KEY, type text, id text, revision bigint,
      owner text, epoch bigint, writer text, value text
    );
    CREATE INDEX ON ${clusterSchema}.audit (type, id, revision);
    CREATE FUNCTION ${clusterSchema}.audit() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE held record;
    BEGIN
      SELECT owner, epoch INTO held FROM ${clusterSchema}.durable_object_slots WHERE slot = NEW.slot;
      INSERT INTO ${clusterSchema}.audit (type, id, revision, owner, epoch, writer, value)
      VALUES (NEW.type, NEW.id, NEW.revision, held.owner, held.epoch, current_setting('application_name'),
        coalesce(NEW.state->>'value', NEW.state->>'count'));
      RETURN NULL;
    END $$;
    CREATE TRIGGER audit AFTER INSERT OR UPDATE ON ${clusterSchema}.durable_objects
    FOR EACH ROW EXECUTE FUNCTION ${clusterSchema}.audit();
  `);
}

interface Commit {
  readonly revision: number;
  readonly owner: string | null;
  readonly epoch: number | null;
  readonly writer: string;
}

/** What was written down, object by object. */
export class ClusterAudit {
  readonly #processes: ClusterProcesses;
  /** The writer of each owner that was ever seen. */
  readonly #writers = new Map<string, string>();

  constructor(processes: ClusterProcesses) {
    this.#processes = processes;
  }

  /** What is wrong with the commits of an object, or null. */
  async problem(type: string, id: string): Promise<string | null> {
    // In one statement, and so of one moment.
    const rows = await this.#processes.sql(
      `SELECT a.revision, a.owner, a.epoch, a.writer, o.revision AS last
       FROM ${clusterSchema}.durable_objects o LEFT JOIN ${clusterSchema}.audit a USING (type, id)
       WHERE type = $1 AND id = $2 ORDER BY a.revision, a.number`,
      [type, id],
    );
    const commits = rows.map(({ revision, owner, epoch, writer }): Commit => ({
      revision: Number(revision),
      owner: owner as string | null,
      epoch: epoch === null ? null : Number(epoch),
      writer: String(writer),
    }));
    const problem = this.#problemOf(commits, Number(rows[0]?.["last"] ?? 0));
    return problem === null ? null : `${type}/${id}: ${problem}`;
  }

  #problemOf(commits: readonly Commit[], revision: number): string | null {
    const followed = new Set<string>();
    let last: Commit | null = null;
    for (const [index, commit] of commits.entries()) {
      const { epoch, writer, owner } = commit;
      if (commit.revision !== index + 1) {
        return `commit ${index + 1} has the revision ${commit.revision}, by ${writer} after ${last?.writer ?? "nobody"}`;
      }
      if (epoch === null) {
        if (followed.has(writer))
          return `${writer} wrote revision ${commit.revision} after ${last?.writer ?? "nobody"}`;
      } else {
        if (owner === null) return `${writer} wrote revision ${commit.revision} when nobody owned its slot`;
        const known = this.#writers.get(owner) ?? writer;
        this.#writers.set(owner, known);
        if (known !== writer) return `${writer} wrote revision ${commit.revision} when ${known} owned its slot`;
        if (last?.epoch !== null && last !== null && epoch < last.epoch) {
          return `revision ${commit.revision} is of epoch ${epoch}, after one of epoch ${last.epoch}`;
        }
        if (last?.epoch === epoch && last.writer !== writer) {
          return `${last.writer} and ${writer} wrote in epoch ${epoch}, up to revision ${commit.revision}`;
        }
      }
      if (last !== null && last.writer !== writer) followed.add(last.writer);
      last = commit;
    }
    const count = commits.length;
    return revision === count ? null : `its revision is ${revision}, and ${count} commits were seen`;
  }

  /** Values that were there at some time, of those that are asked for. */
  async found(type: string, id: string, values: readonly string[]): Promise<string[]> {
    const rows = await this.#processes.sql(
      `SELECT DISTINCT value FROM ${clusterSchema}.audit WHERE type = $1 AND id = $2 AND value = ANY($3)`,
      [type, id, values],
    );
    return rows.map(({ value }) => String(value));
  }

  /** The state of an object as a person would read it; null if there is none. */
  async state<State>(type: string, id: string): Promise<State | null> {
    const [row] = await this.#processes.sql(
      `SELECT state FROM ${clusterSchema}.durable_objects WHERE type = $1 AND id = $2`,
      [type, id],
    );
    return (row?.["state"] ?? null) as State | null;
  }

  /** Forgets the commits of an object that nobody will call any more; what comes later is told as a gap. */
  async forget(type: string, id: string): Promise<void> {
    await this.#processes.sql(`DELETE FROM ${clusterSchema}.audit WHERE type = $1 AND id = $2`, [type, id]);
  }
}
