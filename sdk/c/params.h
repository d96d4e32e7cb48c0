/* Parameters of a policy in C: configure() and the values it reads. Include it
 * after policy.h, define
 *
 *	static void defaults(void);               back to the documented values
 *	static const char *set(struct param *p);  one key=value; a complaint or 0
 *
 * and then say PARAMS_EXPORT. The host calls configure also when there are no
 * parameters, so defaults() has always run before the first question. A refused
 * parameter is logged with its key, its value and the complaint, and configure
 * fails. */
#ifndef IDLEHOST_PARAMS_H
#define IDLEHOST_PARAMS_H

#include "idlehost.h"

enum { PARAMS_MAX = 4096 };

struct param {
	const char *key, *value;
	u32 key_len, value_len;
};

__attribute__((import_module("idlehost"), import_name("log")))
void idlehost_log(u32 level, const char *text, u32 len);

enum { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

#define UNKNOWN_KEY "no such parameter"
#define WANT_DURATION "want a duration such as 500ms, 30s, 5m or 1h"
#define WANT_WHOLE "want a whole number"
#define WANT_FRACTION "want a number such as 0.25, at most three decimals"

static char params_text[PARAMS_MAX], params_log[256];

static int param_is(const struct param *p, const char *key)
{
	u32 i = 0;
	for (; i < p->key_len; i++)
		if (key[i] == 0 || key[i] != p->key[i])
			return 0;
	return key[i] == 0;
}

/* number reads digits from *at, at most 2^32-1, and moves *at past them.
 * It returns how many digits there were; 0 also when the number is too large. */
static u32 number(const char **at, const char *end, u64 *n)
{
	u32 digits = 0;
	for (*n = 0; *at < end && **at >= '0' && **at <= '9'; ++*at, digits++) {
		*n = *n * 10 + (u32)(**at - '0');
		if (*n > 0xffffffffu)
			return 0;
	}
	return digits;
}

/* duration reads one duration of at most 48 days from *at. 1: read. */
static int duration(const char **at, const char *end, u32 *ms)
{
	u64 n, unit;
	if (!number(at, end, &n))
		return 0;
	u32 left = (u32)(end - *at), c = left > 0 ? (u8)**at : 0;
	if (c == 'm' && left > 1 && (*at)[1] == 's') {
		unit = 1;
		*at += 2;
	} else {
		unit = c == 's' ? 1000 : c == 'm' ? 60000 : c == 'h' ? 3600000 : 0;
		if (unit == 0 && n != 0)
			return 0;
		if (unit != 0)
			++*at;
	}
	if (n * unit > 48 * 86400000ull)
		return 0;
	*ms = (u32)(n * unit);
	return 1;
}

static inline const char *param_duration(const struct param *p, u32 *ms)
{
	const char *at = p->value, *end = at + p->value_len;
	return duration(&at, end, ms) && at == end ? 0 : WANT_DURATION;
}

static inline const char *param_whole(const struct param *p, u32 *value)
{
	const char *at = p->value, *end = at + p->value_len;
	u64 n;
	if (!number(&at, end, &n) || at != end)
		return WANT_WHOLE;
	*value = (u32)n;
	return 0;
}

/* param_thousandths reads 0.25 as 250. */
static inline const char *param_thousandths(const struct param *p, u32 *value)
{
	const char *at = p->value, *end = at + p->value_len;
	u64 whole, part = 0;
	u32 digits = 0;
	if (!number(&at, end, &whole) || whole > 1000000)
		return WANT_FRACTION;
	if (at < end && *at == '.') {
		at++;
		digits = number(&at, end, &part);
		if (digits == 0 || digits > 3)
			return WANT_FRACTION;
	}
	if (at != end)
		return WANT_FRACTION;
	for (; digits < 3; digits++)
		part *= 10;
	*value = (u32)(whole * 1000 + part);
	return 0;
}

static u32 append(u32 n, const char *text, u32 len)
{
	for (u32 i = 0; i < len && n < sizeof params_log; i++)
		params_log[n++] = text[i];
	return n;
}

static u32 append_text(u32 n, const char *text)
{
	u32 len = 0;
	while (text[len])
		len++;
	return append(n, text, len);
}

/* append_short keeps a message under the 256 bytes that a host takes. */
static u32 append_short(u32 n, const char *text, u32 len)
{
	return len <= 60 ? append(n, text, len) : append_text(append(n, text, 60), "...");
}

static void refuse(const struct param *p, const char *complaint)
{
	u32 n = append_text(0, "parameter ");
	n = append_short(n, p->key, p->key_len);
	n = append_text(n, "=");
	n = append_short(n, p->value, p->value_len);
	n = append_text(n, ": ");
	n = append_text(n, complaint);
	idlehost_log(LOG_ERROR, params_log, n);
}

/* line cuts the next "key=value\n" off *at. A line without '=' is all key. */
static void line(const char **at, const char *end, struct param *p)
{
	p->key = *at;
	while (*at < end && **at != '=' && **at != '\n')
		++*at;
	p->key_len = (u32)(*at - p->key);
	if (*at < end && **at == '=')
		++*at;
	p->value = *at;
	while (*at < end && **at != '\n')
		++*at;
	p->value_len = (u32)(*at - p->value);
	if (*at < end)
		++*at;
}

#define PARAMS_EXPORT \
	EXPORT("configure_buffer") u32 configure_buffer(u32 len) \
	{ \
		return len <= PARAMS_MAX ? (u32)(unsigned long)params_text : 0; \
	} \
	EXPORT("configure") u32 configure(u32 len) \
	{ \
		const char *at = params_text, *end = at + (len < PARAMS_MAX ? len : PARAMS_MAX); \
		struct param p; \
		defaults(); \
		while (at < end) { \
			line(&at, end, &p); \
			const char *complaint = set(&p); \
			if (complaint) { \
				refuse(&p, complaint); \
				return 1; \
			} \
		} \
		return 0; \
	}

#endif
