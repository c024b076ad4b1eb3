// Runs cht-conf.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const CHT = path.join(ROOT, 'node_modules/.bin/cht');
// What it would look up on the network, or in the repository.
const QUIET = ['--skip-git-check', '--skip-dependency-check', '--skip-translation-check'];

/** Runs actions of cht-conf on a project and returns what it said. */
export function chtConf(project, ...actions) {
  // It writes bundles under fixed names into the folder for temporary files.
  const temporary = mkdtempSync(path.join(tmpdir(), 'cht-conf-'));
  const env = {
    ...process.env,
    TMPDIR: temporary,
    // pyxform unpacks itself into this folder; without it, into the home directory.
    SHIV_ROOT: path.join(ROOT, 'node_modules/.shiv'),
  };
  try {
    return execFileSync(CHT, [...QUIET, `--source=${project}`, ...actions], { cwd: ROOT, env, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    throw new Error(`cht-conf ${actions.join(' ')}:\n${error.stdout}${error.stderr}`);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
