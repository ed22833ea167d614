// What commands about the store need of the configuration and of the running gateway.

import type { OpenForExport } from './api/export-command.ts';
import { readConfig } from './config.ts';
import { SallyportError } from './flow/errors.ts';
import { askGateway, defaultConfigPath, packageVersion } from './serve.ts';
import type { StoreCommandPorts } from './store/backup-command.ts';
import { databaseOf, readStoreSecrets } from './store-in-force.ts';

/** The ports of `backup` and `restore`. */
export function storeCommandPorts(): StoreCommandPorts {
  return {
    version: packageVersion(),
    place: (path) => {
      const { store, users } = readConfig(path ?? defaultConfigPath);
      const folder = store.source.kind === 'embedded' ? store.source.folder : null;
      return { folder, owner: { user: users.control, group: users.group } };
    },
    pause: (path, seconds) =>
      askGateway({ config: path ?? defaultConfigPath }, '/v1/store/pause', { seconds }),
  };
}

/** Opens the store of a configuration for reading; the gateway may have it open. */
export const openForExport: OpenForExport = async (path) => {
  const config = readConfig(path ?? defaultConfigPath);
  const database = databaseOf(config, readStoreSecrets(config));
  if (database !== null) {
    const { openStore } = await import('./store/opened-store.ts');
    return openStore({ kind: 'postgres', config: database });
  }
  const { source } = config.store;
  const { SqliteReader } = await import('./store/sqlite-reader.ts');
  const { existsSync } = await import('node:fs');
  const folder = source.kind === 'embedded' ? source.folder : '';
  if (!existsSync(`${folder}/main.db`)) throw new SallyportError('usage', `${folder} holds no store yet`);
  const reading = new SqliteReader(folder);
  return { reader: reading.main, flows: reading.flows, close: () => reading.close() };
};
