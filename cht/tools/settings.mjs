// Compiles app_settings.json from app_settings/, tasks.js, targets.js and contact-summary.templated.js.
import { ROOT, chtConf } from './conf.mjs';

chtConf(ROOT, 'compile-app-settings');
