// What the console does in the browser. Every page works without it; it keeps pages up to date, copies commands, and saves clicks.
import { copying } from "./copy";
import { showingEvents } from "./events";
import { following } from "./live";
import { scheduling } from "./schedule";
import { selecting } from "./select";

following(document);
copying(document);
scheduling(document);
selecting(document);
showingEvents(document);
