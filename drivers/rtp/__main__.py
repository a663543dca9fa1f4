import sys

from drivers.rtp.messages import PLAINLY
from drivers.rtp.process import main

main(*(int(word) for word in sys.argv[1:] if word != PLAINLY), plainly=PLAINLY in sys.argv)
