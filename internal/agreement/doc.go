// Package agreement proves that the console and the API are two doors to one program: it holds tests and nothing else.
//
// What its tests guarantee to everybody who changes something: whether it is done in the browser or over HTTP, the same is stored, the
// audit log says the same of it but for who did it, and what the one refuses the other refuses, naming the same fields.
// Each test does the same thing to two contact centres of one store, in the one through the API and in the other through the forms that the
// console's pages show, as a browser would send them.
//
// What may fail: nothing that one can do in only one of the two is looked at.
package agreement
