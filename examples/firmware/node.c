/* A node: reads samples, predicts each, and when the answer changes explains it and sends a frame over a serial line.
 *
 * For the Cortex-M4 of Arm's MPS2 board (an386) in QEMU. The debugger's file `samples.bin` stands for the sensor and the
 * debugger's clock for a real one; everything else is as on a board. */

#include <stdio.h>
#include <time.h>

#include "model.h"

enum { END = 0xC0, ESCAPE = 0xDB, ESCAPED_END = 0xDC, ESCAPED_ESCAPE = 0xDD }; /* SLIP, RFC 1055 */

static volatile uint32_t *const uart = (volatile uint32_t *)0x40004000; /* data, state, control, …, divider */

static model_explain_arena arena; /* predicting works in it too */
static float relevance[MODEL_RELEVANCE];

static void put(uint8_t byte) {
    while (uart[1] & 1) { /* the transmitter is full */
    }
    uart[0] = byte;
}

static void send(const uint8_t *frame, int32_t size) {
    put(END); /* ends what noise may have begun */
    for (int32_t i = 0; i < size; i++) {
        if (frame[i] == END || frame[i] == ESCAPE) put(ESCAPE);
        put(frame[i] == END ? ESCAPED_END : frame[i] == ESCAPE ? ESCAPED_ESCAPE : frame[i]);
    }
    put(END);
}

int main(void) {
    int8_t x[MODEL_X0], y[MODEL_Y0];
    uint8_t frame[MODEL_FRAME];
    int last = -1;
    unsigned samples = 0, sent = 0;
    FILE *sensor = fopen("samples.bin", "rb");
    if (!sensor) return 1;
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* the floating-point unit is off after a reset */
    __asm__ volatile("dsb; isb");
    uart[4] = 16; /* clocks a bit */
    uart[2] = 1;  /* transmit */
    for (; fread(x, 1, sizeof x, sensor) == sizeof x; samples++) {
        int best = 0;
        model_predict((model_arena *)(void *)&arena, x, y);
        for (int k = 1; k < MODEL_Y0; k++)
            if (y[k] > y[best]) best = k;
        if (best != last) {
            int32_t target, size;
            float score;
            uint32_t now = (uint32_t)(time(NULL) - 1577836800); /* since 2020 */
            model_explain(&arena, x, y, relevance, &target, &score);
            size = model_frame(&arena, relevance, target, score, sent + 1, now, frame);
            if (size > 0) {
                send(frame, size);
                sent++;
            }
        }
        last = best;
    }
    printf("%u samples, %u frames\n", samples, sent);
    return 0;
}
