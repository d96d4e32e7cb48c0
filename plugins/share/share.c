/* share lets a panel of timeouts vote, each with the weight that its past
 * losses have left it. See README.md. */
#define WANT_GAPS
#include "quiet.h"
#include "params.h"
#include "explog.h"
#include "gaps.h"

/* Reasons, shown in logs, besides those of quiet.h. */
enum {
	MEAN = QUIET_REASONS, /* the weighted mean of the panel */
	UNTAUGHT              /* the panel's plain mean: it has seen nothing */
};

enum { ROUTES = 4, PARTS = 4, FORMAT = 1 };

/* One panel for each histogram of the host: by route class, and by part where it
 * keeps newcomers' gaps apart. Those past the last have none of their own.
 * Expert i closes where bin i ends, up to the bin of the price. Learned state: a
 * panel of zeros has learned nothing. It notes the price that it was taught
 * at, and is given up when that changes. */
static struct panel {
	double loss[BINS];   /* of each expert, all gaps of the histogram together, weight x ms */
	double weight[BINS]; /* of each expert; they sum to 1 */
	double mass;         /* of the histogram when it was last looked at */
	u32 price;           /* ms; 0: nothing is learned */
	u32 generation;      /* of the histogram then */
	u32 unit;            /* and its unit */
	u32 reserved;
} panels[ROUTES][PARTS] __attribute__((aligned(8)));

static u32 eta, alpha, worth, look, batch;

static void defaults(void)
{
	eta = 500;
	alpha = 1;
	worth = 0; /* the operator's */
	look = 100;
	batch = 64;
}

static const char *set(struct param *p)
{
	const char *complaint;
	if (param_is(p, "eta")) {
		complaint = param_thousandths(p, &eta);
		return !complaint && eta > 100000 ? "want 0 to 100" : complaint;
	}
	if (param_is(p, "share")) {
		complaint = param_thousandths(p, &alpha);
		return !complaint && alpha > 1000 ? "want a part, 0 to 1" : complaint;
	}
	if (param_is(p, "batch")) {
		complaint = param_whole(p, &batch);
		return !complaint && (batch == 0 || batch > 1024) ? "want a number of gaps, 1 to 1024" : complaint;
	}
	if (param_is(p, "worth"))
		return param_duration(p, &worth);
	if (param_is(p, "look"))
		return param_duration(p, &look);
	return UNKNOWN_KEY;
}

PARAMS_EXPORT

EXPORT("state_region") u64 state_region(void)
{
	return (u64)sizeof panels << 32 | (u32)(unsigned long)panels;
}

EXPORT("state_format") u64 state_format(void) { return FORMAT; }

/* tell works out what each of the experts up to last would have lost on all
 * gaps of the histogram, in weight x ms, and returns how many there are. */
static double tell(double loss[BINS], u32 last, double b)
{
	const struct gaps *g = &buffer.gaps;
	double returned = 0, gone = 0, cut = 0, held = 0;
	for (u32 i = 0; i < BINS; i++) {
		returned += g->returned[i];
		gone += g->gone[i];
		cut += g->cut[i];
	}
	double all = returned + gone + cut;
	for (u32 i = 0; i <= last; i++) {
		double low = bin_low(i), end = bin_low(i + 1);
		double r = g->returned[i], x = g->gone[i];
		held += (r + x) * (low + end) / 2;
		returned -= r;
		gone -= x;
		loss[i] = held + returned * (end + b) + (gone + cut) * end;
	}
	return all;
}

static void begin(struct panel *p, u32 last, u32 b)
{
	p->price = b;
	p->generation = 0;
	p->unit = 0;
	p->mass = 0;
	for (u32 i = 0; i < BINS; i++) {
		p->loss[i] = 0;
		p->weight[i] = i <= last ? 1.0 / (last + 1) : 0;
	}
}

/* reweigh makes every expert lighter by its loss on the gaps since the last
 * time, and then takes a part of all weights, for one batch of gaps at most, and
 * shares it out evenly. */
static void reweigh(struct panel *p, const double loss[BINS], u32 last, double gaps)
{
	double least_loss = loss[0], sum = 0, rate = eta / 1000.0;
	for (u32 i = 1; i <= last; i++)
		if (loss[i] < least_loss)
			least_loss = loss[i];
	for (u32 i = 0; i <= last; i++) {
		p->weight[i] *= exp_of(rate * (least_loss - loss[i]));
		sum += p->weight[i];
	}
	double kept = 1;
	for (u32 n = 0; n < batch && n < gaps; n++)
		kept *= 1 - alpha / 1000.0;
	for (u32 i = 0; i <= last; i++)
		p->weight[i] = (sum > 0 ? kept * p->weight[i] / sum : 0) + (sum > 0 ? 1 - kept : 1) / (last + 1);
}

/* before is how much of what was counted last time is still in the histogram.
 * It halves its weights now and then, and its unit falls when it does; one
 * that has lost more than that is a new one. */
static double before(const struct panel *p, double mass)
{
	double left = buffer.gaps.unit < p->unit ? 0.5 : 1;
	return mass < p->mass * left * 0.99 ? 0 : left;
}

/* teach brings a panel up to date with the histogram. A gap counts once: the
 * difference to what was there before. One that the host cut costs an expert
 * all the time that it would have held on; if the client comes back, the
 * histogram moves it, and the difference puts it right. */
static void teach(struct panel *p, u32 last, u32 b)
{
	static double loss[BINS];
	const struct gaps *g = &buffer.gaps;
	u32 changes = g->generation - p->generation;
	if (p->generation && changes < batch)
		return;
	double mass = tell(loss, last, b), left = before(p, mass);
	double unit = g->unit ? g->unit : 1, worst = 2.0 * b * unit; /* of a single gap */
	for (u32 i = 0; i <= last; i++) {
		double now = loss[i];
		loss[i] = (now - p->loss[i] * left) / worst;
		p->loss[i] = now;
	}
	reweigh(p, loss, last, (mass - p->mass * left) / unit);
	p->generation = g->generation;
	p->unit = g->unit;
	p->mass = mass;
}

static u32 first(void) { return look; }

static u32 target(u32 *reason)
{
	u32 b = price(worth), last = bin(b), route = buffer.gaps.route, part = buffer.gaps.part;
	int known = route < ROUTES && part < PARTS;
	struct panel *p = known ? &panels[route][part] : &panels[0][0];
	if (p->price != b)
		begin(p, last, b);
	if (known)
		teach(p, last, b);
	double tau = 0;
	*reason = p->generation > 1 ? MEAN : UNTAUGHT;
	for (u32 i = 0; i <= last; i++)
		tau += p->weight[i] * bin_low(i + 1);
	return (u32)tau;
}

QUIET_EXPORT
