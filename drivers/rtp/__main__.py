import sys

from drivers.rtp.audio_process import main
from drivers.rtp.messages import PLAINLY

main(*(int(word) for word in sys.argv[1:] if word != PLAINLY), plainly=PLAINLY in sys.argv)
