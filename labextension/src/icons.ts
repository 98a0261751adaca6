/** The icon of the panel: a lock file beside the arrow that makes an environment equal to it. */

import { LabIcon } from '@jupyterlab/ui-components';

const svgstr = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
<g class="jp-icon3" fill="#616161"><path d="M5 3h9l5 5v4h-2V9h-4V5H7v14h5v2H5z"/>
<path d="M9 11h6v2H9zm0 4h4v2H9zm9.5-1.5L23 18l-4.5 4.5-1.4-1.4 2-2.1H14v-2h5.1l-2-2.1z"/></g></svg>`;

export const environmentIcon = new LabIcon({ name: 'envmagic:environment', svgstr });
