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

/** Where the anchors of tenants whose resource is gone are kept, by the id that their data carries. Only where resources are deleted. */
export interface AnchorKeeper {
  retain(tenantId: string, note: string): Promise<void>;
  /** Undefined: none is kept. Rejects when it cannot tell. */
  retained(tenantId: string): Promise<string | undefined>;
  /** It is kept elsewhere again, or no more. No error where none is kept. */
  drop(tenantId: string): Promise<void>;
}
