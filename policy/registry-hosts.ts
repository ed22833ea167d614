// Which hosts a client speaks to for images of a registry: names that users write are not always the hosts.

/** Docker Hub under its name (docs.docker.com, "Allowlist for Docker Desktop"). */
const dockerHub = ['docker.io', 'index.docker.io', 'registry-1.docker.io', 'auth.docker.io'] as const;

/** Hosts for the registry of an image pattern; where layers lie elsewhere, answers name the place. */
export function findRegistryHosts(registry: string): readonly string[] {
  return registry === 'docker.io' ? dockerHub : [registry];
}
