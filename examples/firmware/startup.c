/* Where a Cortex-M starts: the stack's top and the first instruction. */

typedef void (*word)(void);
extern void _start(void);
__attribute__((section(".vectors"), used)) const word vectors[2] = {(word)0x20100000, _start};
