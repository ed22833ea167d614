// Hosts without which a runner cannot fetch or finish jobs. Source: "Communicating with self-hosted runners",
// docs.github.com; "GitLab Runner", docs.gitlab.com.

/** A blocklist entry that covers one of these needs `force: true`. */
export const runnerServiceHosts = [
  'github.com',
  'api.github.com',
  'codeload.github.com',
  'broker.actions.githubusercontent.com',
  'launch.actions.githubusercontent.com',
  'results-receiver.actions.githubusercontent.com',
  'pipelines.actions.githubusercontent.com',
  'run-actions-1-azure-eastus.actions.githubusercontent.com',
  'gitlab.com',
] as const;

/** Forges that speak git over SSH on port 22, where no rule of `http` applies. */
export const forgeHosts = [
  'github.com',
  'ssh.github.com',
  'gitlab.com',
  'altssh.gitlab.com',
  'bitbucket.org',
  'codeberg.org',
] as const;

/** Suffixes under which any customer can rent a name: who may write there may send data to anybody. */
export const rentableSuffixes = [
  'amazonaws.com',
  'blob.core.windows.net',
  'azurewebsites.net',
  'cloudapp.azure.com',
  'googleapis.com',
  'appspot.com',
  'run.app',
  'web.app',
  'firebaseio.com',
  'cloudfront.net',
  'workers.dev',
  'pages.dev',
  'r2.cloudflarestorage.com',
  'vercel.app',
  'netlify.app',
  'herokuapp.com',
  'fly.dev',
  'onrender.com',
  'ngrok.io',
  'ngrok-free.app',
  'trycloudflare.com',
  'digitaloceanspaces.com',
  'backblazeb2.com',
  'slack.com',
  'discord.com',
  'telegram.org',
  'github.io',
  'gitlab.io',
] as const;
