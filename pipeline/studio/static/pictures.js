/** Pictures loaded and decoded ahead, so that the next face is there when the key is pressed. */
import { request } from './studio.js';

/** @typedef {{ url: string | null, problem: string | null }} Loaded a decoded picture, or why there is none */

export class PictureCache {
  /**
   * @param {string} token
   * @param {(id: string) => string} addressOf where a picture is asked for
   * @param {() => void} onChange called when a picture has arrived
   */
  constructor(token, addressOf, onChange) {
    this.token = token;
    this.addressOf = addressOf;
    this.onChange = onChange;
    /** @type {Map<string, Loaded | 'loading'>} */
    this.entries = new Map();
  }

  /** A picture; undefined while it is on its way. @param {string} id @returns {Loaded | undefined} */
  get(id) {
    const entry = this.entries.get(id);
    return entry === 'loading' ? undefined : entry;
  }

  /** Loads these pictures, the first first, and lets go of all others. @param {string[]} ids */
  keep(ids) {
    for (const [id, entry] of this.entries) {
      if (ids.includes(id) || entry === 'loading') continue;
      if (entry.url) URL.revokeObjectURL(entry.url);
      this.entries.delete(id);
    }
    for (const id of ids) if (!this.entries.has(id)) this.load(id);
  }

  /** @param {string} id */
  async load(id) {
    this.entries.set(id, 'loading');
    try {
      const response = await request(this.addressOf(id), { token: this.token });
      const url = URL.createObjectURL(await response.blob());
      const image = new Image();
      image.src = url;
      const decoded = await image.decode().then(
        () => true,
        () => false,
      );
      if (!decoded) URL.revokeObjectURL(url);
      this.entries.set(id, decoded ? { url, problem: null } : { url: null, problem: 'This picture is damaged.' });
    } catch (error) {
      if (error instanceof TypeError) {
        // The network is away: the picture is asked for again when it is next wanted.
        this.entries.delete(id);
        setTimeout(this.onChange, 1000);
        return;
      }
      this.entries.set(id, { url: null, problem: error instanceof Error ? error.message : String(error) });
    }
    this.onChange();
  }

  close() {
    this.keep([]);
  }
}
