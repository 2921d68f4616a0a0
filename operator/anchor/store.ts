/**
 * Where a tenant's newest signed checkpoint is kept, outside the database: what the database can't take back.
 * In standalone a file; in Kubernetes the Tenant's status.
 */
export interface AnchorStore {
  /** The signed note; undefined when none was ever written. Rejects when it cannot tell. */
  read(tenantName: string): Promise<string | undefined>;
  /** Durable when it resolves. */
  write(tenantName: string, note: string): Promise<void>;
}
