/*
 * Has OpenSSL tell nginx's TLS secrets to the file that SSLKEYLOGFILE names: nginx itself has no setting for it, and
 * Debian's OpenSSL is built without its own. Preloaded, it stands in for SSL_CTX_new(3).
 *
 * What it calls is declared here, so that nothing but a compiler is needed.
 */
typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_method_st SSL_METHOD;
typedef void (*key_log)(const SSL *ssl, const char *line);
typedef SSL_CTX *(*maker)(const SSL_METHOD *method);

extern void SSL_CTX_set_keylog_callback(SSL_CTX *context, key_log told);
extern void *dlsym(void *handle, const char *name);
extern char *getenv(const char *name);
extern int open(const char *path, int flags, ...);
extern long write(int file, const void *data, unsigned long length);
extern unsigned long strlen(const char *text);
extern void *memcpy(void *to, const void *from, unsigned long length);

#define NEXT ((void *) -1L)                /* RTLD_NEXT */
#define APPEND (0x1 | 0x40 | 0x400)        /* O_WRONLY | O_CREAT | O_APPEND */
#define LONGEST 1024                       /* a line has two secrets of 64 bytes at most, in hexadecimal */

static int file = -1;

/* One write a line: whoever reads the file meanwhile sees whole lines. */
static void tell(const SSL *ssl, const char *line)
{
    char text[LONGEST];
    unsigned long length = strlen(line);

    (void) ssl;
    if (file < 0 || length >= LONGEST)
        return;
    memcpy(text, line, length);
    text[length] = '\n';
    (void) write(file, text, length + 1);
}

SSL_CTX *SSL_CTX_new(const SSL_METHOD *method)
{
    maker next = (maker) dlsym(NEXT, "SSL_CTX_new");
    SSL_CTX *context = next ? next(method) : 0;
    const char *path = getenv("SSLKEYLOGFILE");    /* nginx clears its environment later */

    if (context && path) {
        if (file < 0)
            file = open(path, APPEND, 0600);
        SSL_CTX_set_keylog_callback(context, tell);
    }
    return context;
}
